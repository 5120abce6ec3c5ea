//! Challenge pages in a real browser: Chromium, driven by WebDriver, in front of nginx, as a user's is.

mod browser;
mod driver;
mod refused;
mod site;
mod steps;
mod visitors;
