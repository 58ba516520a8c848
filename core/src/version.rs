//! Which system the guest is told that it runs on.

use core::sync::atomic::{AtomicU8, Ordering};

/// The names and numbers of a release of macOS and of its kernel, which belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    /// `kern.osproductversion`.
    pub product: &'static str,
    /// `kern.osversion`: the build.
    pub build: &'static str,
    /// `kern.osrelease`: of the kernel.
    pub release: &'static str,
    /// `kern.version`: of the kernel, as it introduces itself.
    pub kernel: &'static str,
    /// `kern.osproductversioncompat`: what programs are told that stop at 10.
    pub compatible_product: &'static str,
    /// `kern.iossupportversion`: of the programs for telephones that run on it. Seen for none of these releases: the number of
    /// the telephones' release of the same time.
    pub ios_support: &'static str,
}

/// The kernel's words about itself, but for the processor.
macro_rules! kernel {
    ($words:literal) => {
        if cfg!(target_arch = "x86_64") {
            concat!("Darwin Kernel Version ", $words, "/RELEASE_X86_64")
        } else {
            concat!("Darwin Kernel Version ", $words, "/RELEASE_ARM64_T6000")
        }
    };
}

impl Version {
    /// How many releases there are to choose from.
    pub const COUNT: u8 = 4;

    /// macOS 14.6.1.
    pub const DEFAULT: Version = Version {
        product: "14.6.1",
        build: "23G93",
        release: "23.6.0",
        kernel: kernel!("23.6.0: Mon Jul 29 21:13:00 PDT 2024; root:xnu-10063.141.2~1"),
        compatible_product: "10.16",
        ios_support: "17.6",
    };

    /// A release: 0 is the default, the others follow from the oldest on. The default too for what there is not.
    pub const fn at(index: u8) -> Version {
        match index {
            1 => Version {
                product: "12.7.6",
                build: "21H1320",
                release: "21.6.0",
                kernel: kernel!("21.6.0: Mon Jun 24 00:56:10 PDT 2024; root:xnu-8020.240.18.709.2~1"),
                ios_support: "15.6",
                ..Version::DEFAULT
            },
            2 => Version {
                product: "13.7.8",
                build: "22H730",
                release: "22.6.0",
                kernel: kernel!("22.6.0: Tue Jul 15 08:22:28 PDT 2025; root:xnu-8796.141.3.713.2~2"),
                ios_support: "16.6",
                ..Version::DEFAULT
            },
            3 => Version {
                product: "15.6",
                build: "24G84",
                release: "24.6.0",
                kernel: kernel!("24.6.0: Mon Jul 14 11:28:17 PDT 2025; root:xnu-11417.140.69~1"),
                ios_support: "18.6",
                ..Version::DEFAULT
            },
            _ => Version::DEFAULT,
        }
    }

    /// The index of a release by the version of macOS, or of its kernel.
    pub fn find(number: &str) -> Option<u8> {
        (0..Version::COUNT).find(|index| {
            let version = Version::at(*index);
            version.product == number || version.release == number
        })
    }
}

/// The release that a process is told of.
#[derive(Debug)]
pub struct ChosenVersion(AtomicU8);

impl ChosenVersion {
    /// The default.
    pub(crate) const fn new() -> ChosenVersion {
        ChosenVersion(AtomicU8::new(0))
    }

    /// Tells of another one, by its index.
    pub fn choose(&self, index: u8) {
        self.0.store(index, Ordering::Relaxed);
    }

    /// What is told.
    pub fn get(&self) -> Version {
        Version::at(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_found_by_either_number_and_agree_with_themselves() {
        for index in 0..Version::COUNT {
            let version = Version::at(index);
            assert_eq!(Version::find(version.product), Some(index));
            assert_eq!(Version::find(version.release), Some(index));
            assert!(version.kernel.contains(version.release), "{version:?}");
            let major = version.release.split('.').next();
            assert!(major.is_some_and(|major| version.build.starts_with(major)), "{version:?}");
        }
        assert_eq!(Version::find("10.4"), None);
        assert_eq!(Version::at(Version::COUNT), Version::DEFAULT);
    }
}
