//! Challenge pages: what the server does between deciding what is shown and sending it.

use askance::event::Factor;
use askance::mfa::totp;
use askance::pages::{Choice, Pages, Screen, Settings, View};
use criterion::Criterion;
use std::hint::black_box;

pub(crate) fn bench(criterion: &mut Criterion) {
    let Ok(pages) = Pages::load(&Settings::default()) else { return };
    let view = |screen| View {
        screen,
        notice: None,
        user: Some("alice@example.org"),
        action: None,
        form_token: "t",
        leave: Some("/"),
    };
    let mut group = criterion.benchmark_group("page");
    group.bench_function("language of a browser", |b| {
        b.iter(|| pages.language(black_box(Some("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5"))));
    });
    let language = pages.language(Some("ja"));
    let choices = Factor::ALL.map(|factor| Choice { factor, id: "", label: None, masked: None });
    let choose = view(Screen::Choose(&choices));
    group.bench_function("a choice of five ways", |b| b.iter(|| black_box(pages.render(black_box(&choose), language))));
    let uri = totp::uri(&[7; 20], "Example Ltd", "alice@example.org");
    group.bench_function("a QR code", |b| b.iter(|| black_box(totp::qr_svg(black_box(&uri)))));
    let (secret, qr_svg) = (totp::written(&[7; 20]), totp::qr_svg(&uri));
    let app = view(Screen::EnrollApp { enrolment: "e", secret: &secret, uri: &uri, qr_svg: qr_svg.as_deref() });
    group.bench_function("an app with its QR code", |b| b.iter(|| black_box(pages.render(black_box(&app), language))));
    group.finish();
}
