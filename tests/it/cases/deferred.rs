//! The cases that wait for a later issue. The list only gets shorter.

/// How many cases may be deferred; equal to the length of [`DEFERRED`], and lowered with it.
pub(crate) const DEFERRED_MAX: usize = 12;

pub(crate) struct Deferred {
    pub(crate) id: &'static str,
    /// The issue, numbered 1 to 8, that brings what the case needs.
    pub(crate) issue: u8,
    pub(crate) why: &'static str,
}

const fn deferred(id: &'static str, issue: u8, why: &'static str) -> Deferred {
    Deferred { id, issue, why }
}

const CODES: &str = "verification codes";

pub(crate) const DEFERRED: &[Deferred] = &[
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
