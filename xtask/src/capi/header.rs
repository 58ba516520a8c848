//! The headers of the library: `include/xnu_emu.h`, made of the crate, and `include/xnu_emu_asm.h`.

use super::symbols::List;
use crate::{Result, workspace};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn path() -> PathBuf {
    workspace::root().join("include/xnu_emu.h")
}

/// Makes the header anew.
///
/// # Errors
/// The crate cannot be read, or the file not be written.
pub(crate) fn write() -> Result<()> {
    let path = path();
    fs::create_dir_all(path.parent().ok_or("a header has a folder")?)?;
    Ok(fs::write(path, render()?)?)
}

/// The header as it should be.
fn render() -> Result<String> {
    let folder = workspace::root().join("capi");
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml"))?;
    let bindings = cbindgen::Builder::new().with_crate(folder).with_config(config).generate()?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    Ok(for_c(&String::from_utf8(text)?))
}

/// Comments without what is Rust's in them: the paragraph on safety, which says what C asks anyway, and links.
fn for_c(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut in_safety = false;
    for line in text.lines() {
        if line.trim() == "* # Safety" {
            in_safety = true;
            lines.pop_if(|line| line.trim() == "*");
        }
        in_safety &= !line.trim().ends_with("*/");
        if !in_safety {
            lines.push(line.replace("[`", "`").replace("`]", "`"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What is wrong with the headers.
///
/// # Errors
/// A file cannot be read or written, or a compiler not be run.
pub(crate) fn problems(list: &List) -> Result<Vec<String>> {
    let text = fs::read_to_string(path()).unwrap_or_default();
    let mut problems = Vec::new();
    if text != render()? {
        problems.push("include/xnu_emu.h is not current: cargo xtask capi --write-header".to_owned());
    }
    let declares = |name: &str| text.contains(&format!("{name}(")) || text.contains(&format!("{name};"));
    let missing = list.exports().filter(|(name, kind)| kind.is_c() && !declares(name));
    problems.extend(missing.map(|(name, _)| format!("include/xnu_emu.h does not declare {name}")));
    for [compiler, standard, language] in COMPILERS {
        let source = workspace::target().join("capi/header.c");
        fs::write(&source, USE)?;
        let mut command = Command::new(compiler);
        command.args([standard, "-x", language, "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]);
        let output = command.arg("-I").arg(workspace::root().join("include")).arg(source).output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            problems.push(format!("{command:?} refuses include/xnu_emu.h: {errors}"));
        }
    }
    Ok(problems)
}

const COMPILERS: [[&str; 3]; 3] =
    [["cc", "-std=c99", "c"], ["g++", "-std=c++11", "c++"], ["aarch64-linux-gnu-gcc", "-std=c99", "c"]];

/// Includes the header twice, and declares again what Darling's headers declare: that must be the same.
const USE: &str = "\
#include <xnu_emu.h>
#include <xnu_emu.h>
#ifdef __cplusplus
extern \"C\" {
#endif
void __simple_printf(const char *format, ...);
void __simple_kprintf(const char *format, ...);
void __simple_fprintf(int fd, const char *format, ...);
int __simple_sprintf(char *buf, const char *format, ...);
int __simple_snprintf(char *buf, size_t size, const char *format, ...);
void __simple_vprintf(const char *format, va_list list);
void __simple_vkprintf(const char *format, va_list list);
void __simple_vfprintf(int fd, const char *format, va_list list);
int __simple_vsprintf(char *buf, const char *format, va_list list);
int __simple_vsnprintf(char *buf, size_t size, const char *format, va_list list);
int __simple_strlen(const char *text);
void __simple_readline_init(struct simple_readline_buf *buf);
char *__simple_readline(int fd, struct simple_readline_buf *buf, char *out, int size);
void __simple_abort(void);
int errno_linux_to_bsd(int error);
int lkm_call(int number, void *argument);
int lkm_call_raw(int number, void *argument);
void mach_driver_init(const char **strings);
int mach_driver_get_fd(void);
#ifdef __cplusplus
}
#endif
int main(void) { return xnu_emu_adopt(xnu_emu_state); }
";
