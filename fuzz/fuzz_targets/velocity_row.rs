#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| askance_fuzz::velocity_row(bytes));
