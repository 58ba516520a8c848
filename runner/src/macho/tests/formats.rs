//! Universal files, and files that are something else.

use super::*;

// Universal files.

fn slice(subtype: u32, offset: u32) -> Slice {
    let mut builder = Builder::static_program();
    builder.cpu_subtype = subtype;
    Slice { cpu_type: macho::CPU_TYPE_X86_64.0, cpu_subtype: subtype, offset, bytes: builder.build() }
}

fn arm64(offset: u32) -> Slice {
    Slice { cpu_type: macho::CPU_TYPE_ARM64.0, cpu_subtype: 0, offset, bytes: vec![0; 64] }
}

#[test]
fn universal_file_yields_its_x86_64_slice() {
    for wide in [false, true] {
        let file = universal(&[arm64(0x1000), slice(3, 0x3000)], wide);
        let program = parse_program(&file).expect("universal");
        assert_eq!(program.slice, 0x3000..0x3000 + FILE_SIZE);
        assert_eq!(program.segments[0].file, Some(FileRange { offset: 0x3000, size: FILE_SIZE }));
    }
}

#[test]
fn haswell_slice_is_preferred_where_it_runs() {
    for file in [
        universal(&[slice(3, 0x1000), slice(8, 0x2000)], false),
        universal(&[slice(8, 0x2000), slice(3, 0x1000)], true),
    ] {
        let start = |cpu| parse_for(&file, Kind::Program, cpu).map(|program| program.slice.start);
        assert_eq!(start(Cpu::Haswell), Ok(0x2000));
        assert_eq!(start(Cpu::Generic), Ok(0x1000));
    }
    let only = universal(&[slice(8, 0x1000)], false);
    assert!(parse_for(&only, Kind::Program, Cpu::Haswell).is_ok());
    assert!(refusal(&only).contains("without x86_64 (it has x86_64h)"));
}

#[test]
fn universal_file_without_x86_64_lists_what_it_has() {
    let file = universal(&[arm64(0x1000), Slice { cpu_type: 7, cpu_subtype: 3, ..arm64(0x2000) }], false);
    assert_eq!(
        refusal(&file),
        "is a universal file without x86_64 (it has arm64, i386 (32-bit)): get a version for x86_64"
    );
    assert!(refusal(&universal(&[], false)).contains("without any architecture"));
}

#[test]
fn hostile_universal_headers_are_refused() {
    let file = universal(&[arm64(0x1000), slice(3, 0x3000)], false);
    assert!(
        refusal(&file[..0x3100])
            .contains("runs past the end of the file (0x3100 bytes): the file is truncated")
    );
    assert!(refusal(&file[..20]).contains("universal header does not fit"));
    assert!(refusal(&file[..6]).contains("universal header does not fit"));
    let mut many = file.clone();
    many[4..8].copy_from_slice(&[0xff; 4]);
    assert!(refusal(&many).contains("announces 4294967295 architectures"));
    assert!(
        refusal(&universal(&[slice(3, 0x3000), slice(3, 0x5000)], false)).contains("two slices for x86_64")
    );
    assert!(refusal(&universal(&[slice(3, 0x3000), arm64(0x3200)], false)).contains("overlap in the file"));
    assert!(refusal(&universal(&[slice(3, 0x3010)], false)).contains("not a multiple of the page size"));
    let mut inside = file.clone();
    inside[16..20].copy_from_slice(&8u32.to_be_bytes());
    assert!(refusal(&inside).contains("inside the universal header"));
    let mut wraps = universal(&[slice(3, 0x3000)], true);
    wraps[24..32].copy_from_slice(&[0xff; 8]);
    assert!(refusal(&wraps).contains("runs past the end"));
}

#[test]
fn slice_must_be_what_the_header_says() {
    let mut nested = slice(3, 0x1000);
    nested.bytes = universal(&[slice(3, 0x1000)], false);
    assert!(refusal(&universal(&[nested], false)).contains("not a 64-bit little-endian Mach-O image"));
    let lying = Slice { cpu_type: macho::CPU_TYPE_X86_64.0, cpu_subtype: 3, ..arm64(0x1000) };
    assert!(refusal(&universal(&[lying], false)).contains("not a 64-bit little-endian Mach-O image"));
    let short = Slice { bytes: vec![0; 8], ..slice(3, 0x1000) };
    assert!(refusal(&universal(&[short], false)).contains("header does not fit"));
}

#[test]
fn segment_may_not_leave_its_slice() {
    let mut bytes = slice(3, 0x1000);
    bytes.bytes.truncate(900);
    let file = universal(&[bytes, arm64(0x3000)], false);
    assert!(refusal(&file).contains("file range 0x0..0x3e8 runs past the end of the slice (0x384 bytes)"));
}

#[test]
fn little_endian_universal_header_is_refused() {
    assert!(refusal(b"\xbe\xba\xfe\xca\x01\0\0\0").contains("little-endian"));
    assert!(refusal(b"\xbf\xba\xfe\xca\x01\0\0\0").contains("little-endian"));
}

// Files that are something else.

#[test]
fn other_formats_are_named() {
    let cases: [(&[u8], &str); 16] = [
        (b"", "the file is empty"),
        (b"#!/bin/sh -e\necho", "is a script for `/bin/sh -e`"),
        (b"#!  /usr/bin/env\tpython\x1b[2J", "is a script for `/usr/bin/env\\tpython\\x1b[2J`"),
        (b"#!\n", "empty #! line"),
        (b"echo hello\n", "is a text file"),
        ("gr\u{fc}n".as_bytes(), "is a text file"),
        (b"\x7fELF\x02\x01", "is a Linux ELF program: run it directly"),
        (b"MZqFpD='\n", "assimilate it for macOS first"),
        (b"jartsr='\n", "assimilate it for macOS first"),
        (b"MZ\x90\0", "is a DOS or Windows program"),
        (b"\xca\xfe\xba\xbe\0\0\0\x3d", "is a Java class file"),
        (b"\xca\xfe\xba\xbe\xff\xff\0\x41", "is a Java class file"),
        (b"\xca\xfe\xba\xbe", "universal header does not fit"),
        (b"\0\x01\x02", "is not a Mach-O file (it starts with 00 01 02)"),
        (b"\xcf\xfa\xed\xfe", "the Mach-O header does not fit in the file: the file is truncated"),
        (b"\xce\xfa\xed\xfe\x07", "the Mach-O header does not fit in the file: the file is truncated"),
    ];
    for (file, expected) in cases {
        let message = refusal(file);
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
}

#[test]
fn other_processors_are_named() {
    let mut builder = Builder::static_program();
    (builder.cpu_type, builder.cpu_subtype) = (macho::CPU_TYPE_ARM64.0, 0);
    refused(&builder, "is a Mach-O file for arm64: get a version for x86_64");
    builder.cpu_subtype = 0x8000_0002;
    refused(&builder, "for arm64e");
    (builder.cpu_type, builder.cpu_subtype) = (macho::CPU_TYPE_X86_64.0, 8);
    refused(&builder, "for x86_64h");
    builder.cpu_subtype = 4;
    refused(&builder, "for x86_64 (subtype 4)");
    let header = |magic: &[u8; 4], cpu: [u8; 4]| [magic.as_slice(), &cpu, &[0; 24]].concat();
    assert!(refusal(&header(b"\xce\xfa\xed\xfe", [7, 0, 0, 0])).contains("i386 (32-bit)"));
    assert!(refusal(&header(b"\xce\xfa\xed\xfe", [12, 0, 0, 0])).contains("arm (32-bit)"));
    assert!(refusal(&header(b"\xfe\xed\xfa\xce", [0, 0, 0, 18])).contains("PowerPC (ppc)"));
    assert!(refusal(&header(b"\xfe\xed\xfa\xcf", [1, 0, 0, 18])).contains("PowerPC (ppc64)"));
    assert!(refusal(&header(b"\xce\xfa\xed\xfe", [7, 0, 0, 1])).contains("word size"));
}

#[test]
fn capability_bits_of_the_subtype_do_not_matter() {
    let mut builder = Builder::static_program();
    builder.cpu_subtype = 0x8000_0003;
    good(&builder);
}

#[test]
fn libraries_and_the_like_are_not_programs() {
    for (file_type, name) in [
        (macho::MH_OBJECT, "an object file"),
        (macho::MH_CORE, "a core file"),
        (macho::MH_DYLIB, "a dynamic library"),
        (macho::MH_DYLINKER, "a dynamic linker"),
        (macho::MH_BUNDLE, "a plug-in"),
        (macho::MH_DSYM, "a file of debug symbols"),
        (macho::MH_KEXT_BUNDLE, "a kernel extension"),
        (macho::FileType(99), "a Mach-O file of unknown type 99"),
    ] {
        let mut builder = Builder::static_program();
        builder.file_type = file_type;
        refused(&builder, name);
    }
    let error =
        parse_for(&Builder::static_program().build(), Kind::Dylinker, Cpu::Generic).expect_err("a program");
    assert!(error.to_string().contains("is a program (MH_EXECUTE), not a dynamic linker"));
}
