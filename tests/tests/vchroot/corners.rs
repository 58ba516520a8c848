//! The corners of path resolution, one by one. The oracle is a process that is rooted in the prefix.

use crate::is_root;
use crate::world::{ALL, SEALED, WITH_EXIT, World, agrees_once, follow, looks, looks_from, nofollow};
use std::fs;
use xnu_abi::linux::flags;
use xnu_tests::paths::subject::{Case, Op};

/// `/leaf`, `/d1/d2/leaf`, links to both.
fn simple(name: &str) -> World {
    let world = World::new(name);
    world.dir("d1/d2").file("leaf").file("d1/d2/leaf");
    world.link("to-leaf", "leaf").link("to-d1", "d1").link("d1/up", "..").link("d1/abs", "/d1/d2");
    fs::create_dir(world.beside("d1")).unwrap();
    fs::write(world.beside("leaf"), "outside").unwrap();
    world
}

#[test]
fn dot_dot_at_the_root_stays_at_the_root() {
    let world = simple("dotdot");
    world
        .link("climbs", "../../../../../../leaf")
        .link("d1/climbs", "../../../leaf")
        .link("abs", "/../../leaf");
    let paths = [
        "/..",
        "/../",
        "/../leaf",
        "/d1/../../leaf",
        "/../../d1/../leaf",
        "/climbs",
        "/d1/climbs",
        "/abs",
        "/d1/..",
    ];
    world.agrees(&["/"], &looks(&paths));
    let relative = ["..", "../..", "../../..", "../../../leaf", "../leaf", "../../../d1/up", "../up/climbs"];
    world.agrees(&["d1/d2"], &looks(&relative));
    world.agrees(&["", "d1/d2"], &looks_from(1, &relative));
    world.agrees(&[""], &looks(&["..", "../leaf", "../../leaf", "d1/../../leaf"]));
}

#[test]
fn missing_components_are_missing_even_before_dot_dot() {
    let world = simple("missing");
    // The host has this one.
    world.link("etc", "/etc").link("dangling", "nowhere");
    let paths = [
        "/nonexist/../leaf",
        "/nonexist/../etc/passwd",
        "/etc/passwd",
        "/nonexist/..",
        "/nonexist/.",
        "/nonexist/",
        "/dangling/../leaf",
        "/dangling/..",
        "nonexist/../leaf",
    ];
    world.agrees(&[""], &looks(&paths));
}

#[test]
fn a_component_that_is_a_file_is_no_directory() {
    let world = simple("file");
    world.link("d1/link", "../leaf");
    let paths = [
        "/leaf/../d1",
        "/leaf/.",
        "/leaf/",
        "/leaf/..",
        "/leaf/x",
        "/to-leaf/",
        "/to-leaf/..",
        "/d1/link/",
        "leaf/x",
    ];
    world.agrees(&[""], &looks(&paths));
}

#[test]
fn dots_slashes_and_nothing() {
    let world = simple("dots");
    let paths = [
        "",
        "/",
        "//",
        "///d1",
        "/.",
        "/./",
        "/./d1/./d2/.",
        "//d1//d2//leaf",
        "d1///",
        "./leaf",
        ".",
        "./",
        "d1/.",
        "./.",
    ];
    world.agrees(&[""], &looks(&paths));
}

#[test]
fn a_slash_at_the_end_means_a_directory() {
    let world = simple("slash");
    world
        .link("dangling", "nowhere")
        .link("slashed", "leaf/")
        .link("slashed-dir", "d1/")
        .link("far", "to-d1/");
    let paths = [
        "/d1/",
        "/to-d1/",
        "/to-leaf/",
        "/leaf/",
        "/nowhere/",
        "/dangling/",
        "/slashed",
        "/slashed-dir",
        "/far",
        "/far/",
    ];
    world.agrees(&[""], &looks(&paths));
    // Opens that could make a file, and names that are made or removed.
    for name in ["leaf/", "d1/", "to-leaf/", "to-d1/", "dangling/", "new/"] {
        for op in [
            Op::Open { flags: flags::O_CREAT | 1, mode: 0o600, refuses_links: false },
            Op::Open { flags: flags::O_CREAT | flags::O_EXCL | 1, mode: 0o600, refuses_links: false },
            Op::Unlink,
            Op::Mkdir,
        ] {
            let case = Case { start: 0, path: name.into(), op };
            let make = || {
                let world = simple("slash-once");
                world.link("dangling", "nowhere");
                world
            };
            agrees_once(make, &[""], &case);
        }
    }
}

#[test]
fn forty_links_and_no_more() {
    let world = World::new("loops");
    world.file("end").dir("d");
    // link-N leads to the end over N links.
    world.link("link-1", "end").link("dir-1", "d");
    for n in 2..=42 {
        world.link(&format!("link-{n}"), format!("link-{}", n - 1));
        world.link(&format!("dir-{n}"), format!("/dir-{}", n - 1));
    }
    world.link("self", "self").link("a", "b").link("b", "a").link("d/back", "../d/back/x");
    let mut paths: Vec<String> =
        [1, 11, 39, 40, 41, 42].iter().flat_map(|n| [format!("link-{n}"), format!("/dir-{n}/.")]).collect();
    paths.extend(["self", "self/x", "a", "b/..", "d/back"].map(String::from));
    // So many in a row.
    for count in [39, 40, 41, 60] {
        paths.push(format!("{}end", "dir-1/../".repeat(count)));
    }
    paths.extend(["dir-20/../link-20", "dir-20/../link-21"].map(String::from));
    world.agrees(&[""], &looks(&paths));
}

#[test]
fn long_targets_are_read_to_their_end() {
    let world = World::new("targets");
    world.file("leaf").dir("d");
    for length in [510, 511, 512, 513, 1022, 1023, 1024, 2048, 4094, 4095] {
        let target = format!("{}leaf", "./".repeat(length / 2));
        let target = &target[target.len() - length..];
        world.link(&format!("l{length}"), target.strip_prefix('/').unwrap_or(target));
        world.link(&format!("s{length}"), format!("/{}leaf", "/".repeat(length - 5)));
        // Nested: each brings a long rest with it.
        world.link(&format!("d{length}"), format!("{}d", "/".repeat(length - 1)));
    }
    let paths: Vec<String> = [510, 511, 512, 513, 1022, 1023, 1024, 2048, 4094, 4095]
        .iter()
        .flat_map(|length| [format!("l{length}"), format!("s{length}"), format!("d{length}/../l{length}")])
        .collect();
    world.agrees(&[""], &looks(&paths));
}

#[test]
fn rests_of_nested_targets_are_all_kept() {
    let world = World::new("nested");
    world.dir("d").file("leaf");
    // Every link leads into the next one and adds 4,000 bytes behind it: 30 of them are far more than a path may be.
    world.link("n0", "d");
    for n in 1..=30 {
        world.link(&format!("n{n}"), format!("n{}/{}../d", n - 1, "./".repeat(1990)));
    }
    world.agrees(&[""], &looks(&["n30/../leaf", "n1", "n7/."]));
}

#[test]
fn names_of_255_bytes_and_no_more() {
    let world = World::new("names");
    let (long, longer) = ("n".repeat(255), "n".repeat(256));
    world.dir(&long).file("leaf").link("link", &longer);
    let paths = [
        long.clone(),
        format!("{long}/"),
        longer.clone(),
        format!("{longer}/.."),
        format!("{longer}/../leaf"),
        format!("nowhere/{longer}"),
        format!("leaf/{longer}"),
        format!("{long}/{longer}"),
        "link".into(),
        "link/..".into(),
        "n".repeat(900),
    ];
    world.agrees(&[""], &looks(&paths));
    let make = |path: &String| Case {
        start: 0,
        path: path.clone().into(),
        op: Op::Open { flags: flags::O_CREAT | 1, mode: 0o600, refuses_links: false },
    };
    world.agrees(&[""], &[make(&longer), make(&format!("{longer}/x")), make(&"link".to_string())]);
}

#[test]
fn directories_that_may_not_be_searched() {
    if !is_root() {
        eprintln!("not tried: only root can become another user");
        return;
    }
    let world = simple("search");
    world.dir("locked/in").file("locked/in/leaf").link("into", "locked/in").link("locked/out", "/leaf");
    world.dir("unread").file("unread/leaf").mode("unread", 0o311);
    world.mode("locked", 0o644);
    let paths = [
        "/locked",
        "/locked/",
        "/locked/.",
        "/locked/..",
        "/locked/in",
        "/locked/x",
        "/into",
        "/into/leaf",
        "/locked/out",
        "/unread/leaf",
        "/unread",
    ];
    let cases: Vec<Case> =
        looks(&paths).into_iter().filter(|case| !matches!(case.op, Op::Expand { .. })).collect();
    world.agrees_with(&ALL, &["/"], &cases, 1000);
    // What is below is reached all the same from a directory that is open.
    let below = ["leaf", "../in/leaf", "..", "../../leaf", ".", "../../locked/in"];
    let cases: Vec<Case> = below
        .iter()
        .flat_map(|path| [follow(0, path), nofollow(0, path), follow(1, path), nofollow(1, path)])
        .collect();
    world.agrees_with(&ALL, &["locked/in", "locked/in"], &cases, 1000);
}

#[test]
fn dangling_links() {
    let world = simple("dangling");
    world.link("gone", "nowhere").link("far", "nowhere/file").link("abs", "/d1/new").link("chain", "abs");
    world.link("loop", "loop").link("above", "../../new");
    world.agrees(&[""], &looks(&["gone", "far", "abs", "chain", "above", "gone/x", "d1/../gone"]));
}

#[test]
fn files_are_made_at_the_end_of_dangling_links() {
    for (link, target) in [
        ("l", "new"),
        ("l", "/d1/new"),
        ("l", "../../new"),
        ("l", "d1/new"),
        ("l", "nowhere/new"),
        ("l", "/d1/d2"),
    ] {
        for flags in [flags::O_CREAT, flags::O_CREAT | flags::O_EXCL, flags::O_CREAT | flags::O_NOFOLLOW] {
            let op = Op::Open { flags: flags | 1, mode: 0o600, refuses_links: false };
            for path in [link.to_string(), format!("/d1/../{link}"), format!("d1/up/{link}")] {
                let case = Case { start: 0, path: path.into(), op: op.clone() };
                agrees_once(|| dangling(link, target), &[""], &case);
            }
        }
        for op in [Op::ExpandAndCreate, Op::ExpandAndMkdir] {
            agrees_once(|| dangling(link, target), &[""], &Case { start: 0, path: link.into(), op });
        }
    }
}

fn dangling(link: &str, target: &str) -> World {
    let world = simple("make");
    world.link(link, target);
    world
}

#[test]
fn starts_that_are_no_directories() {
    let world = simple("starts");
    let paths = ["leaf", "d1/d2", "", ".", "..", "/leaf", "leaf/..", "../leaf"];
    let starts = ["", "leaf", "999", "-7", "a pipe", "to-leaf", "-1"];
    let cases: Vec<Case> = (1..starts.len()).flat_map(|start| looks_from(start, &paths)).collect();
    world.agrees(&starts, &cases);
    // What would be done there, too.
    for op in [Op::Unlink, Op::Mkdir, Op::Rmdir, Op::Symlink(b"x".to_vec())] {
        let cases: Vec<Case> =
            (1..starts.len()).map(|start| Case { start, path: b"new".to_vec(), op: op.clone() }).collect();
        world.agrees(&starts, &cases);
    }
}

#[test]
fn names_are_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new("bytes");
    let names: [&[u8]; 9] =
        [b"new\nline", b"\xff\xfe", b" ", b"\\", "\u{e9}".as_bytes(), b"-", b"...", b"\x01\x7f", b"\xc3"];
    for name in names {
        let path = world.at(std::ffi::OsStr::from_bytes(name));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("leaf"), name).unwrap();
    }
    let paths: Vec<Vec<u8>> = names
        .iter()
        .flat_map(|name| [name.to_vec(), [name, &b"/leaf"[..]].concat(), [b"/", *name, b"/./leaf"].concat()])
        .collect();
    world.agrees(&[""], &looks(&paths));
    // Normal forms are different names where case matters.
    world.agrees_with(&[SEALED, WITH_EXIT], &[""], &looks(&["e\u{301}", "\u{c9}"]), 0);
}

#[test]
fn absolute_links_lead_to_the_prefix_even_to_proc() {
    let world = simple("proc");
    world.link("p", "/proc/self/status").link("q", "/proc").link("r", "/leaf").link("d1/s", "/d1/../leaf");
    world.agrees(&[""], &looks(&["p", "q", "q/self", "r", "d1/s"]));
    world.dir("proc/self").file("proc/self/status");
    world.agrees(&[""], &looks(&["p", "q", "q/self/status", "/proc/self"]));
}

#[test]
fn the_prefix_is_behind_links() {
    for (name, target) in
        [("link", "root"), ("slashed", "root/"), ("dots", "./root/../root"), ("chain", "link")]
    {
        let world = simple("behind");
        std::os::unix::fs::symlink("root", world.beside("link")).unwrap();
        let _ = std::os::unix::fs::symlink(target, world.beside(name));
        for suffix in ["", "/", "/.", "//"] {
            let path = format!("{}{suffix}", world.beside(name).display());
            world.agrees_by_way_of(
                path.as_ref(),
                &["d1"],
                &looks(&["/", "/..", "../leaf", "/to-d1/d2/leaf", "d2/leaf", "../../leaf"]),
            );
        }
    }
}
