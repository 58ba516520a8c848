//! Load commands that lie.

use super::*;

// Hostile load commands.

#[test]
fn every_truncation_is_refused() {
    let file = Builder::static_program().build();
    for length in 0..file.len() {
        let message = refusal(&file[..length]);
        assert!(length < 4 || message.contains("the file is truncated"), "{length}: {message}");
    }
}

#[test]
fn command_sizes_are_checked() {
    for size in [0, 1, 4, 7, 9, 10, 30] {
        let builder = Builder::static_program().command_of_size(macho::LC_SYMTAB, size, &[0; 64]);
        refused(&builder, &format!("load command 4 (0x2): cmdsize {size:#x} is not a multiple of 4"));
    }
    for size in [80, 0x7fff_fffc, 0xffff_fffc] {
        let builder = Builder::static_program().command_of_size(macho::LC_UUID, size, &[0; 64]);
        refused(
            &builder,
            &format!("(LC_UUID): cmdsize {size:#x} runs past the end of sizeofcmds (0x48 bytes left)"),
        );
    }
}

#[test]
fn lying_counts_are_refused() {
    let mut builder = Builder::static_program();
    builder.extra_count = 1;
    refused(&builder, "ncmds is 5, but sizeofcmds ends after load command 4");
    builder.extra_count = u32::MAX - 4;
    refused(&builder, "ncmds is 4294967295");
    builder.extra_count = u32::MAX;
    refused(&builder, "there is no entry point");
    builder.extra_count = 0;
    builder.extra_size = 0xffff;
    refused(&builder, "run past the end of the file (0x3e8 bytes): the file is truncated");
    builder.extra_size = 8;
    good(&builder);
    builder.extra_size = (-8i32) as u32;
    refused(&builder, "runs past the end of sizeofcmds");
}

#[test]
fn commands_too_small_for_their_structure_are_refused() {
    for kind in [
        macho::LC_SEGMENT_64,
        macho::LC_MAIN,
        macho::LC_LOAD_DYLINKER,
        macho::LC_UUID,
        macho::LC_CODE_SIGNATURE,
        macho::LC_ENCRYPTION_INFO,
        macho::LC_ENCRYPTION_INFO_64,
        macho::LC_BUILD_VERSION,
        macho::LC_VERSION_MIN_MACOSX,
    ] {
        refused(&Builder::program().command(kind, &[]), "cmdsize 0x8 is too small");
    }
}

#[test]
fn file_ranges_are_checked() {
    let data = RawSegment::zeros("__DATA", DATA, 0x8000, RW);
    refused(
        &with_segment(data.file(0x5000, 0x4000)),
        "load command 2 (LC_SEGMENT_64 __DATA): file range 0x5000..0x9000 runs past the end of the file (0x3e8 bytes): \
         the file is truncated",
    );
    refused(&with_segment(data.file(0, 0x3e9)), "file range 0x0..0x3e9 runs past");
    refused(&with_segment(data.file(u64::MAX, 2)), "overflows");
    refused(&with_segment(data.file(0x10, 0x10)), "fileoff 0x10 is not page-aligned");
    let empty = RawSegment::zeros("__DATA", DATA, 0, RW);
    refused(&with_segment(empty.file(0x400, 1)), "runs past the end of the file");
}

#[test]
fn more_file_than_memory_is_refused() {
    let mut builder = with_segment(RawSegment::zeros("__DATA", DATA, 0x1000, RW).file(0, 0x1001));
    builder.size = 0x3000;
    refused(&builder, "filesize 0x1001 is larger than vmsize 0x1000");
}

#[test]
fn addresses_are_checked() {
    let at = |address, size| with_segment(RawSegment::zeros("__DATA", address, size, RW));
    refused(&at(DATA + 8, 0x1000), "vmaddr 0x100001008 is not page-aligned");
    for (address, size) in [
        (0xffff_ffff_ffff_f000, 0x1000),
        (0xffff_ffff_ffff_f000, 0x2000),
        (DATA, u64::MAX),
        (DATA, 0xffff_ffff_ffff_f000),
        (ADDRESS_LIMIT, 1),
        (ADDRESS_LIMIT - 0x1000, 0x1001),
    ] {
        refused(&at(address, size), "runs past the end of the address space (0x7fffffe00000)");
    }
    assert_eq!(good(&at(ADDRESS_LIMIT - 0x1000, 0x1000)).span().end, ADDRESS_LIMIT);
}

#[test]
fn overlapping_segments_are_refused() {
    let at = |address, size| with_segment(RawSegment::zeros("__DATA", address, size, RW));
    refused(
        &at(TEXT, 1),
        "segments __TEXT (0x100000000..0x100001000) and __DATA (0x100000000..0x100001000) overlap",
    );
    refused(&at(TEXT - 0x1000, 0x1000), "overlaps __PAGEZERO (0x0..0x100000000)");
    refused(&at(0, 0x1000), "overlaps __PAGEZERO");
    let inside = with_segment(RawSegment::zeros("__BIG", DATA, 0x10_0000, RW)).segment(RawSegment::zeros(
        "__IN",
        DATA + 0x8000,
        0x1000,
        RW,
    ));
    refused(&inside, "overlap in memory");
}

#[test]
fn page_zero_is_required_of_programs() {
    let text = RawSegment::zeros("__TEXT", TEXT, 0x1000, RX).file(0, FILE_SIZE);
    let builder = Builder::new(macho::MH_EXECUTE).segment(text).thread(&registers(TEXT, 0));
    refused(&builder, "no __PAGEZERO segment");
    let zero = |size| builder.clone().segment(RawSegment::zeros("__PAGEZERO", 0, size, 0));
    assert_eq!(good(&zero(1)).page_zero, 0x1000);
    refused(&zero(0), "no __PAGEZERO segment");
    refused(&zero(u64::MAX), "runs past the end of the address space");
    refused(&builder.clone().segment(RawSegment::zeros("__PAGEZERO", 0, 0x1000, 1)), "no __PAGEZERO segment");
}

#[test]
fn protections_are_checked() {
    let mut data = RawSegment::zeros("__DATA", DATA, 0x1000, RW);
    data.maximum = 1;
    refused(&with_segment(data), "initprot rw- allows more than maxprot r--");
    data.maximum = 0xff07;
    let program = good(&with_segment(data));
    assert_eq!((program.segments[1].maximum.bits(), program.segments[1].initial.bits()), (7, 3));
}

#[test]
fn section_counts_are_checked() {
    let mut data = RawSegment::zeros("__DATA", DATA, 0x1000, RW);
    data.sections = 1;
    refused(&with_segment(data), "nsects is 1, but cmdsize 0x48 has no room");
    data.sections = u32::MAX;
    refused(&with_segment(data), "nsects is 4294967295");
}

#[test]
fn segment_names_from_the_file_are_escaped() {
    let message = refusal(&with_segment(RawSegment::zeros("\x1b[31m\n", DATA + 1, 1, RW)).build());
    assert!(message.contains("(LC_SEGMENT_64 \\x1b[31m\\n)"), "{message}");
}

#[test]
fn segments_of_32_bit_files_are_refused() {
    refused(&Builder::static_program().command(macho::LC_SEGMENT, &[0; 48]), "a 32-bit segment");
}

#[test]
fn encrypted_code_is_refused() {
    for kind in [macho::LC_ENCRYPTION_INFO, macho::LC_ENCRYPTION_INFO_64] {
        let with = |id| Builder::static_program().command(kind, &words(&[0, 0x1000, id, 0]));
        refused(&with(1), "the code is encrypted");
        good(&with(0));
    }
    let mut data = RawSegment::zeros("__DATA", DATA, 0x4000, RW).file(0, 0x3001);
    data.flags = macho::SG_PROTECTED_VERSION_1.0;
    let mut builder = with_segment(data);
    builder.size = 0x4000;
    refused(&builder, "(LC_SEGMENT_64 __DATA): the code is encrypted");
    data.file_size = 0x3000;
    builder = with_segment(data);
    builder.size = 0x4000;
    good(&builder);
}

#[test]
fn code_signature_past_the_end_means_truncated() {
    let with =
        |start, size| Builder::static_program().command(macho::LC_CODE_SIGNATURE, &words(&[start, size]));
    good(&with(0x300, 0xe8));
    refused(&with(0x300, 0xe9), "(LC_CODE_SIGNATURE): file range 0x300..0x3e9 runs past the end");
    refused(&with(u32::MAX, u32::MAX), "the file is truncated");
}

// Entry points.

#[test]
fn entry_point_must_be_in_executable_memory() {
    let at = |rip| {
        Builder::program().segment(RawSegment::zeros("__DATA", DATA, 0x2000, RW)).thread(&registers(rip, 0))
    };
    for outside in [0, 1, TEXT - 1, DATA + 0x2000, 0xffff_8000_0000_0000, u64::MAX] {
        refused(&at(outside), &format!("the entry point {outside:#x} is outside any segment"));
    }
    refused(&at(DATA), "in segment __DATA (0x100001000..0x100003000), which is not executable (rw-)");
    let main = |offset| Builder::program().dylinker(b"/usr/lib/dyld\0").main(offset, 0);
    refused(&main(0x1000), "the entry point 0x100001000 is outside any segment");
    refused(&main(u64::MAX), "outside the address space");
    good(&main(0xfff));
}

#[test]
fn entry_point_in_the_padding_of_the_last_page_is_outside() {
    let builder = Builder::new(macho::MH_EXECUTE)
        .segment(RawSegment::zeros("__PAGEZERO", 0, TEXT, 0))
        .segment(RawSegment::zeros("__TEXT", TEXT, 0x100, RX).file(0, 0x100));
    good(&builder.clone().thread(&registers(TEXT + 0xff, 0)));
    refused(&builder.thread(&registers(TEXT + 0x100, 0)), "outside any segment");
}

#[test]
fn exactly_one_entry_point_is_wanted() {
    refused(&Builder::program(), "there is no entry point");
    refused(&Builder::static_program().thread(&registers(TEXT, 0)), "a second entry point");
    refused(&Builder::static_program().main(0, 0), "a second entry point");
    refused(&Builder::dynamic_program().thread(&registers(TEXT, 0)), "a second entry point");
    refused(&Builder::dynamic_program().main(0, 0), "a second entry point");
    refused(&Builder::new(macho::MH_EXECUTE), "no __PAGEZERO");
}

#[test]
fn lc_main_does_not_start_a_dylinker() {
    let text = RawSegment::zeros("__TEXT", 0, 0x1000, RX).file(0, FILE_SIZE);
    let builder = Builder::new(macho::MH_DYLINKER).segment(text).main(0x200, 0);
    let parse = |builder: &Builder| parse_for(&builder.build(), Kind::Dylinker, Cpu::Generic);
    assert!(parse(&builder).expect_err("no entry").to_string().contains("there is no entry point"));
    assert!(parse(&builder.thread(&registers(0x200, 0))).is_ok());
}

#[test]
fn hostile_thread_states_are_refused() {
    let with = |body: &[u8]| Builder::program().command(macho::LC_UNIXTHREAD, body);
    refused(&with(&[]), "it has no thread state");
    refused(&with(&words(&[4])), "flavor and count do not fit");
    refused(&with(&words(&[4, 42])), "count is 42 words, but only 0 are left");
    refused(&with(&words(&[4, u32::MAX])), "count is 4294967295 words");
    refused(&with(&words(&[4, 1, 0])), "count is 1 words, but x86_THREAD_STATE64 has 42");
    refused(&with(&words(&[1, 1, 0])), "thread state flavor 1 is not x86_THREAD_STATE64");
    let good_then_bad = [thread_state(&registers(TEXT, 0)), words(&[6, 0])].concat();
    refused(&with(&good_then_bad), "thread state flavor 6");
}

// Dynamic linkers.

#[test]
fn dylinker_names_are_checked() {
    let with = |body: &[u8]| Builder::program().command(macho::LC_LOAD_DYLINKER, body).main(0, 0);
    refused(&with(&words(&[12, 0x6464_6464])), "no NUL");
    refused(&with(&words(&[12, 0])), "the name is empty");
    for offset in [0, 11, 16, 17, u32::MAX] {
        refused(
            &with(&words(&[offset, 0])),
            &format!("offset {offset:#x} is outside the command (0xc..0x10)"),
        );
    }
    refused(&Builder::dynamic_program().dylinker(b"/other\0"), "a second dynamic linker");
    let nested = Builder::dylinker_image().dylinker(b"/usr/lib/dyld\0").build();
    let error = parse_for(&nested, Kind::Dylinker, Cpu::Generic).expect_err("nested");
    assert!(error.to_string().contains("a dynamic linker that needs a dynamic linker"));
}

#[test]
fn missing_dylinker_is_refused() {
    refused(&Builder::program().main(0x200, 0), "no LC_LOAD_DYLINKER names one");
    let mut builder = Builder::static_program();
    builder.flags = FileFlags(macho::MH_DYLDLINK.0);
    refused(&builder, "no LC_LOAD_DYLINKER names one");
}

#[test]
fn header_must_be_mapped_only_where_dyld_reads_it() {
    let text = RawSegment::zeros("__TEXT", TEXT, 0x1000, RX).file(0x1000, 0x100);
    let mut builder = Builder::new(macho::MH_EXECUTE)
        .segment(RawSegment::zeros("__PAGEZERO", 0, 0x1000, 0))
        .segment(text)
        .thread(&registers(TEXT, 0));
    builder.size = 0x2000;
    assert_eq!(good(&builder).header_address, None);
    refused(&builder.dylinker(b"/usr/lib/dyld\0"), "no segment maps the Mach-O header");
}
