#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| askance_fuzz::config_file(bytes));
