//! Which system the guest is told that it runs on.

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
    /// `kern.iossupportversion`: of the programs for telephones that run on it.
    pub ios_support: &'static str,
}

impl Version {
    /// macOS 14.6.1.
    pub const DEFAULT: Version = Version {
        product: "14.6.1",
        build: "23G93",
        release: "23.6.0",
        kernel: KERNEL,
        compatible_product: "10.16",
        ios_support: "17.6",
    };
}

#[cfg(target_arch = "x86_64")]
const KERNEL: &str =
    "Darwin Kernel Version 23.6.0: Mon Jul 29 21:13:00 PDT 2024; root:xnu-10063.141.2~1/RELEASE_X86_64";
#[cfg(not(target_arch = "x86_64"))]
const KERNEL: &str =
    "Darwin Kernel Version 23.6.0: Mon Jul 29 21:13:00 PDT 2024; root:xnu-10063.141.2~1/RELEASE_ARM64_T6000";
