//! One test per way in which a file can be good (here), foreign (`formats`) or hostile (`hostile`).

mod formats;
mod hostile;

use super::testing::*;
use super::*;
use object::macho::{self, FileFlags};

fn parse_program(file: &[u8]) -> Result<Program, Error> {
    let parsed = parse_for(file, Kind::Program, Cpu::Generic);
    if let Ok(program) = &parsed {
        assert_invariants(program, file.len() as u64, Kind::Program);
    }
    parsed
}

#[track_caller]
fn good(builder: &Builder) -> Program {
    parse_program(&builder.build()).expect("a good file")
}

/// The message for a file that must be refused; one line, without control characters.
#[track_caller]
fn refusal(file: &[u8]) -> String {
    let error = parse_program(file).expect_err("a bad file");
    assert_eq!(error.exit_status(), 126);
    let message = error.to_string();
    assert!(message.chars().all(|letter| !letter.is_control()), "{message:?}");
    assert!(!message.contains("  "), "{message:?}");
    message
}

#[track_caller]
fn refused(builder: &Builder, because: &str) {
    let message = refusal(&builder.build());
    assert!(message.contains(because), "{message:?} does not say {because:?}");
}

fn with_segment(segment: RawSegment) -> Builder {
    Builder::program().segment(segment).thread(&registers(TEXT + 0x200, 0))
}

#[test]
fn static_program_becomes_a_plan() {
    let program = good(&Builder::static_program());
    assert_eq!(program.slice, 0..FILE_SIZE);
    assert_eq!(program.page_zero, TEXT);
    assert_eq!(program.span(), TEXT..DATA + 0x2000);
    assert_eq!(program.header_address, Some(TEXT));
    assert_eq!(program.entry.address(), TEXT + 0x200);
    assert!(!program.pie && program.dylinker.is_none() && !program.needs_libraries);
    assert_eq!((program.custom_stack(), program.stack_size, program.all_image_info), (None, None, None));
    let [text, data] = program.segments.as_slice() else { panic!("{:?}", program.segments) };
    assert_eq!((text.name.as_str(), text.address, text.memory_size), ("__TEXT", TEXT, PAGE_SIZE));
    assert_eq!(text.file, Some(FileRange { offset: 0, size: FILE_SIZE }));
    assert_eq!((text.initial.to_string().as_str(), text.zero_pages()), ("r-x", DATA..DATA));
    assert_eq!((data.file, data.zero_pages()), (None, DATA..DATA + 0x2000));
}

#[test]
fn dynamic_program_names_its_linker_and_entry() {
    let program = good(&Builder::dynamic_program());
    assert_eq!(program.dylinker.as_deref(), Some(b"/usr/lib/dyld".as_slice()));
    assert_eq!(program.entry, Entry::Main { offset: 0x300, address: TEXT + 0x300 });
    assert!(program.pie && program.needs_libraries);
    assert_eq!(program.uuid, Some([7; 16]));
    let build = program.build.expect("LC_BUILD_VERSION");
    assert_eq!((build.platform, build.minimum.to_string().as_str()), (1, "11.0.0"));
    assert_eq!(build.sdk.to_string(), "12.3.4");
}

#[test]
fn first_build_version_counts_and_simulators_are_told_apart() {
    let both = Builder::static_program()
        .command(macho::LC_VERSION_MIN_IPHONEOS, &words(&[0x000d_0000, 0x000e_0000]))
        .command(macho::LC_VERSION_MIN_MACOSX, &words(&[1, 2]));
    let build = good(&both).build.expect("LC_VERSION_MIN_IPHONEOS");
    assert_eq!((build.platform, build.minimum, build.sdk), (7, Version(0x000d_0000), Version(0x000e_0000)));
}

#[test]
fn dylinker_may_begin_at_address_0() {
    let file = Builder::dylinker_image().build();
    let program = parse_for(&file, Kind::Dylinker, Cpu::Generic).expect("dyld");
    assert_invariants(&program, file.len() as u64, Kind::Dylinker);
    assert_eq!((program.span(), program.page_zero, program.pie), (0..0x4000, 0, true));
    assert_eq!(program.all_image_info, Some(0x1800..0x1970));
}

#[test]
fn header_flags_are_kept() {
    let mut builder = Builder::static_program();
    assert!(!good(&builder).allow_stack_execution && !good(&builder).no_heap_execution);
    builder.flags = FileFlags(macho::MH_ALLOW_STACK_EXECUTION.0 | macho::MH_NO_HEAP_EXECUTION.0);
    let program = good(&builder);
    assert!(program.allow_stack_execution && program.no_heap_execution && !program.pie);
    builder.flags = FileFlags(macho::MH_PIE.0);
    assert!(good(&builder).pie);
}

#[test]
fn low_text_small_page_zero_and_shared_file_ranges_are_fine() {
    for text in [0x20_0000, 0x40_0000, 0x100_0000, 0x7f00_0000] {
        let builder = Builder::new(macho::MH_EXECUTE)
            .segment(RawSegment::zeros("__PAGEZERO", 0, 0x20_0000, 0))
            .segment(RawSegment::zeros("__TEXT", text, 0x1000, RX).file(0, 1000))
            .segment(RawSegment::zeros("__COPY", text + 0x1000, 0x1000, 1).file(0, 500))
            .segment(RawSegment::zeros("__BSS", text + 0x2000, 0x1000_0000, RW))
            .thread(&registers(text, 0));
        assert_eq!(good(&builder).span(), text..text + 0x1000_2000);
    }
}

#[test]
fn segments_without_memory_are_skipped() {
    let dwarf = RawSegment::zeros("__DWARF", TEXT, 0, 7).file(0x11, 0x22);
    assert_eq!(good(&with_segment(dwarf)).segments.len(), 1);
}

#[test]
fn segments_are_sorted_by_address() {
    let low = RawSegment::zeros("__LOW", 0x1000, 0x1000, RW);
    let builder = Builder::new(macho::MH_EXECUTE)
        .segment(RawSegment::zeros("__TEXT", 0x3000, 0x1000, RX).file(0, 16))
        .segment(low)
        .segment(RawSegment::zeros("__PAGEZERO", 0, 0x1000, 0))
        .thread(&registers(0x3fff, 0));
    let program = good(&builder);
    let names: Vec<_> = program.segments.iter().map(|segment| segment.name.as_str()).collect();
    assert_eq!(names, ["__LOW", "__TEXT"]);
}

#[test]
fn partial_last_page_is_left_to_the_file() {
    let program = good(&with_segment(RawSegment::zeros("__DATA", DATA, 0x2fff, RW).file(0, 0x123)));
    let data = &program.segments[1];
    assert_eq!(data.pages(), DATA..DATA + 0x3000);
    assert_eq!(data.file_pages(), DATA..DATA + 0x1000);
    assert_eq!(data.zero_pages(), DATA + 0x1000..DATA + 0x3000);
}

#[test]
fn all_registers_are_read_in_order() {
    let mut state: [u64; 21] = std::array::from_fn(|index| 0x1_0000 + index as u64);
    state[16] = TEXT;
    state[7] = 0;
    let Entry::Thread(registers) = good(&Builder::program().thread(&state)).entry else { panic!("LC_MAIN?") };
    assert_eq!(
        (registers.rax, registers.rbx, registers.rcx, registers.rdx),
        (0x1_0000, 0x1_0001, 0x1_0002, 0x1_0003)
    );
    assert_eq!(
        (registers.rdi, registers.rsi, registers.rbp, registers.r8),
        (0x1_0004, 0x1_0005, 0x1_0006, 0x1_0008)
    );
    assert_eq!(
        (registers.r15, registers.rip, registers.rflags, registers.gs),
        (0x1_000f, TEXT, 0x1_0011, 0x1_0014)
    );
}

#[test]
fn last_of_several_thread_states_counts() {
    let states = [thread_state(&registers(0, 1)), thread_state(&registers(TEXT + 8, 0))].concat();
    let program = good(&Builder::program().command(macho::LC_UNIXTHREAD, &states));
    assert_eq!((program.entry.address(), program.custom_stack()), (TEXT + 8, None));
}

#[test]
fn custom_stack_needs_writable_memory_below_it() {
    let stack = RawSegment::zeros("__UNIXSTACK", DATA, 0x8000, RW);
    let at = |rsp| Builder::program().segment(stack).thread(&registers(TEXT, rsp));
    assert_eq!(good(&at(DATA + 0x8000)).custom_stack(), Some(DATA + 0x8000));
    assert_eq!(good(&at(DATA + 0x1008)).custom_stack(), Some(DATA + 0x1008));
    for bad in [1, 0xfff, TEXT, DATA + 8, DATA + 0x9000, 0x7fff_f000_0000, u64::MAX] {
        refused(&at(bad), "no writable segment below it");
    }
}

#[test]
fn main_thread_stack_size_is_kept() {
    let with = |size| Builder::program().dylinker(b"/usr/lib/dyld\0").main(0x300, size);
    assert_eq!(good(&with(0x80_0000)).stack_size, Some(0x80_0000));
    assert_eq!(good(&with(0)).stack_size, None);
    refused(&with(u64::MAX), "stacksize 0xffffffffffffffff is larger than the address space");
}

#[test]
fn unknown_commands_are_skipped() {
    good(
        &Builder::static_program()
            .command(macho::LC_SYMTAB, &[0xff; 16])
            .command(macho::LoadCommandType(0x8000_00ff), &[]),
    );
}

#[test]
fn input_at_any_address_parses_the_same() {
    for (name, kind, seed) in seeds() {
        let expected = parse_for(&seed, kind, Cpu::Generic);
        assert!(expected.is_ok(), "{name}: {expected:?}");
        let mut shifted = vec![0; seed.len() + 1];
        shifted[1..].copy_from_slice(&seed);
        assert_eq!(parse_for(&shifted[1..], kind, Cpu::Generic), expected, "{name}");
    }
}

#[test]
fn committed_seeds_are_those_of_the_builder() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/macho");
    let update = std::env::var_os("UPDATE_SEEDS").is_some();
    for (name, _, seed) in seeds() {
        let path = folder.join(name);
        if update {
            std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &seed)).expect("writable");
        }
        let committed = std::fs::read(&path).unwrap_or_default();
        assert!(committed == seed, "{name}: run UPDATE_SEEDS=1 cargo test -p xnurun committed_seeds");
    }
}
