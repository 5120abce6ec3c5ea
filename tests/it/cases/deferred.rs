//! The cases that wait for a later issue. The list only gets shorter.

/// How many cases may be deferred; equal to the length of [`DEFERRED`], and lowered with it.
pub(crate) const DEFERRED_MAX: usize = 27;

pub(crate) struct Deferred {
    pub(crate) id: &'static str,
    /// The issue, numbered 1 to 8, that brings what the case needs.
    pub(crate) issue: u8,
    pub(crate) why: &'static str,
}

const fn deferred(id: &'static str, issue: u8, why: &'static str) -> Deferred {
    Deferred { id, issue, why }
}

const HOOKS: &str = "the hook listeners";
const CODES: &str = "verification codes";

pub(crate) const DEFERRED: &[Deferred] = &[
    deferred("HK-01", 6, HOOKS),
    deferred("HK-02", 6, HOOKS),
    deferred("HK-03", 6, HOOKS),
    deferred("HK-05", 6, HOOKS),
    deferred("HK-07", 6, HOOKS),
    deferred("HK-08", 6, HOOKS),
    deferred("HK-09", 6, HOOKS),
    deferred("HK-11", 6, HOOKS),
    deferred("HK-12", 6, HOOKS),
    deferred("HK-13", 6, HOOKS),
    deferred("HK-19", 6, HOOKS),
    deferred("HK-21", 6, HOOKS),
    deferred("HK-26", 6, HOOKS),
    deferred("HK-27", 6, HOOKS),
    deferred("HK-28", 6, HOOKS),
    deferred("VC-01", 7, CODES),
    deferred("VC-02", 7, CODES),
    deferred("VC-03", 7, CODES),
    deferred("VC-05", 7, CODES),
    deferred("VC-06", 7, CODES),
    deferred("VC-07", 7, CODES),
    deferred("VC-11", 7, CODES),
    deferred("VC-14", 7, CODES),
    deferred("VC-17", 7, CODES),
    deferred("VC-19", 7, CODES),
    deferred("VC-20", 7, CODES),
    deferred("VC-21", 7, CODES),
];
