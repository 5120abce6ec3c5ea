//! The decisions about countries that no input can make: continents, codes that are no countries, and which parts of a
//! country its circle leaves out. Each has its reason beside it.
//!
//! The circle of a country must hold every address with its ISO code, or a login at home looks like a journey; but one
//! that spans oceans makes no journey impossible. So a part of the map is left out only if
//!
//! 1. it has an ISO code of its own, and then its own place; or
//! 2. nobody lives there but visiting staff; or
//! 3. it would add more than 750 km (an hour of flight) to the radius and holds less than 5 % of the people.
//!
//! Rule 3 leaves out Alaska and Hawaii, the Canaries, the Azores and Madeira, the Galápagos and Easter Island; people
//! there are located at the main territory. **Source** of shares: the national censuses of 2010 to 2022, rounded.

/// Yields (continent, country) for every country of ISO 3166-1.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    entries().map(|(continent, country, _)| (continent, country))
}

/// Returns the country an ISO 3166-1 numeric code stands for.
pub(crate) fn by_number(number: &str) -> Option<&'static str> {
    entries().find(|(_, _, theirs)| *theirs == number).map(|(_, country, _)| country)
}

fn entries() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CONTINENTS.iter().flat_map(|(continent, countries)| {
        let split = countries.split(' ').filter_map(|entry| entry.split_at_checked(2));
        split.map(|(country, number)| (*continent, country, number))
    })
}

/// Codes in the ranges which ISO 3166-1 does not have: the country whose record they get, if any, and why.
///
/// No record is better than a wrong one: askance then says that it does not know the location.
pub(crate) const ODD_CODES: [(&str, Option<&str>, &str); 12] = [
    ("??", None, "unknown by the source's own word"),
    ("AB", None, "never assigned"),
    ("AN", None, "Netherlands Antilles: split in 2010 into CW, SX and BQ, 900 km apart"),
    ("AP", None, "Asia and the Pacific: no one place"),
    ("CS", None, "Serbia and Montenegro until 2006: could be either"),
    ("EU", None, "Europe: pan-European networks and unassigned space"),
    ("OS", None, "never assigned"),
    ("SU", None, "Soviet Union: split in 1991 into fifteen countries"),
    ("UK", Some("GB"), "reserved for the United Kingdom at its wish"),
    ("UN", None, "United Nations: no one place"),
    ("XK", None, "Kosovo, by custom only; no range of today carries it"),
    ("ZZ", None, "unknown"),
];

/// Shapes which the map names but gives no ISO code, and the country whose addresses are used there.
///
/// About addresses only, not about sovereignty: a circle may hold a place that another circle holds as well.
pub(crate) const UNCODED_SHAPES: [(&str, Option<&str>, &str); 5] = [
    ("Indian Ocean Ter.", Some("CX"), "Christmas Island; the Cocos Islands are cut off in PARTS"),
    ("Kosovo", Some("RS"), "no range carries XK; RS is the likelier of its neighbours' codes"),
    ("N. Cyprus", Some("CY"), "CY covers the island, and the circle grows by 43 km only"),
    ("Siachen Glacier", None, "nobody lives there"),
    ("Somaliland", Some("SO"), "its ranges carry SO"),
];

/// A part of a country's shapes, found by the centre of each polygon, that does not count for the country's circle.
pub(crate) struct Part {
    /// The country whose shapes hold it.
    pub(crate) of: &'static str,
    /// South, north, west and east edge in degrees; no box crosses the date line.
    pub(crate) edges: [f64; 4],
    /// The country code it belongs to instead, if it has one.
    pub(crate) to: Option<&'static str>,
}

/// The first part that matches takes a polygon.
pub(crate) const PARTS: [Part; 20] = [
    // Rule 2: Macquarie Island, a research station.
    Part { of: "AU", edges: [-56.0, -52.0, 158.0, 160.0], to: None },
    // Rule 3: Easter Island, 0.04 % of the people, would add 1 500 km.
    Part { of: "CL", edges: [-28.0, -26.0, -111.0, -105.0], to: None },
    // Rule 1: Cocos (Keeling) Islands.
    Part { of: "CX", edges: [-13.0, -11.5, 96.0, 98.0], to: Some("CC") },
    // Rule 3: Galápagos, 0.2 %, would add 1 000 km.
    Part { of: "EC", edges: [-2.0, 2.0, -93.0, -88.0], to: None },
    // Rule 3: Canaries, 4.6 %, would add 1 200 km.
    Part { of: "ES", edges: [27.0, 30.0, -19.0, -13.0], to: None },
    // Rule 1: overseas France, each département with its own code. Corsica stays.
    Part { of: "FR", edges: [2.0, 6.0, -55.0, -51.0], to: Some("GF") },
    Part { of: "FR", edges: [15.5, 17.0, -62.0, -60.5], to: Some("GP") },
    Part { of: "FR", edges: [14.0, 15.2, -62.0, -60.5], to: Some("MQ") },
    Part { of: "FR", edges: [-22.0, -20.0, 55.0, 56.5], to: Some("RE") },
    Part { of: "FR", edges: [-13.5, -12.0, 44.5, 45.8], to: Some("YT") },
    // Rule 1: Bonaire; Saba and Sint Eustatius.
    Part { of: "NL", edges: [11.5, 13.0, -69.0, -68.0], to: Some("BQ") },
    Part { of: "NL", edges: [17.0, 18.0, -64.0, -62.5], to: Some("BQ") },
    // Rule 1: Svalbard; Jan Mayen.
    Part { of: "NO", edges: [74.0, 81.5, 9.0, 35.0], to: Some("SJ") },
    Part { of: "NO", edges: [70.0, 72.0, -10.0, -7.0], to: Some("SJ") },
    // Rule 1: Tokelau. Rule 2: the subantarctic islands. The Chatham Islands stay.
    Part { of: "NZ", edges: [-10.0, -8.0, -173.0, -171.0], to: Some("TK") },
    Part { of: "NZ", edges: [-53.5, -50.0, 165.0, 170.0], to: None },
    // Rule 3: Azores and Madeira, 4.7 % together, would add 1 600 and 800 km.
    Part { of: "PT", edges: [32.0, 40.0, -32.0, -16.0], to: None },
    // Rule 3: Alaska, 0.2 %, and Hawaii, 0.4 %, would add 2 400 and 3 500 km.
    Part { of: "US", edges: [50.0, 72.0, -180.0, 180.0], to: None },
    Part { of: "US", edges: [18.0, 29.0, -179.0, -154.0], to: None },
    // Rule 2: Prince Edward Islands, a research station.
    Part { of: "ZA", edges: [-48.0, -46.0, 37.0, 39.0], to: None },
];

/// Inhabited places the 1:50m map leaves out, or draws too small, which the circle must hold: latitude, longitude.
///
/// **Source**: the 1:10m map of the same package, compared country by country; populations from general knowledge. Left
/// out by rule 3 are Tristan da Cunha (SH, 4 %, would add 2 000 km), the Aldabra and Farquhar groups (SC, under 1 %,
/// 750 km and more) and Agaléga (MU, under 0.1 %, 1 100 km); by rule 2 many reefs and stations, such as Clipperton.
pub(crate) const FAR_PLACES: [(&str, f64, f64, &str); 31] = [
    ("AS", -14.25, -169.42, "Taʻū"),
    ("AU", -31.57, 159.11, "Lord Howe Island"),
    ("AX", 59.91, 20.92, "Kökar"),
    ("AX", 60.48, 21.09, "Brändö"),
    ("AZ", 40.31, 50.63, "Pirallahı"),
    ("CK", -8.95, -158.00, "Penrhyn"),
    ("CK", -10.88, -165.82, "Pukapuka"),
    ("CO", 12.48, -81.73, "San Andrés"),
    ("CO", 13.37, -81.37, "Providencia"),
    ("GD", 12.53, -61.43, "Carriacou"),
    ("GG", 49.73, -2.17, "Alderney"),
    ("GP", 16.33, -61.00, "La Désirade"),
    ("GQ", -1.46, 5.61, "Annobón"),
    ("IT", 35.49, 12.61, "Lampedusa"),
    ("JP", 24.44, 122.94, "Yonaguni"),
    ("MG", -11.95, 49.28, "Cap d'Ambre"),
    ("MH", 11.50, 162.10, "Enewetak"),
    ("MO", 22.11, 113.56, "Coloane"),
    ("MU", -19.68, 63.50, "Rodrigues"),
    ("MV", -0.70, 73.16, "Addu"),
    ("MV", 7.11, 72.90, "Haa Alifu"),
    ("PF", -27.64, -144.32, "Rapa"),
    ("PF", -23.14, -134.99, "Mangareva"),
    ("SB", -11.61, 169.86, "Anuta"),
    ("SC", -7.03, 52.73, "Alphonse"),
    ("SC", -7.19, 56.25, "Coëtivy"),
    ("SV", 13.17, -87.69, "Meanguera"),
    ("TC", 21.30, -71.19, "Salt Cay"),
    ("TC", 21.45, -71.13, "Grand Turk"),
    ("TO", -15.56, -175.63, "Niuafoʻou"),
    ("VC", 12.59, -61.45, "Union Island"),
];

/// Countries without a shape: latitude, longitude, radius in kilometres, rounded up. **Source**: general knowledge.
pub(crate) const FIXED_PLACES: [(&str, f64, f64, u16); 3] = [
    // Nobody lives on Bouvet Island; the island is 10 km across.
    ("BV", -54.42, 3.36, 10),
    // The territory is 5 km long.
    ("GI", 36.14, -5.35, 5),
    // Nine atolls from Nanumea (5.7° S, 176.1° E) to Niulakita (10.8° S, 179.5° E), 680 km.
    ("TV", -8.00, 178.00, 360),
];

/// Countries whose parts lie too far apart for any circle: the record names the country but no location.
pub(crate) const PLACELESS: [&str; 1] = [
    // United States Minor Outlying Islands: from Wake in the Pacific to Navassa in the Caribbean, hardly inhabited.
    "UM",
];

/// Countries by continent: ISO 3166-1 alpha-2 and numeric code in one word.
///
/// **Source**: ISO 3166-1 as in Debian package iso-codes 4.15.0; continents by the custom of the `GeoNames` gazetteer,
/// which `MaxMind` follows: Cyprus is in Europe; Turkey and the Caucasus are in Asia.
const CONTINENTS: [(&str, &str); 7] = [
    (
        "AF",
        "AO024 BF854 BI108 BJ204 BW072 CD180 CF140 CG178 CI384 CM120 CV132 DJ262 DZ012 EG818 EH732 ER232 ET231 \
         GA266 GH288 GM270 GN324 GQ226 GW624 KE404 KM174 LR430 LS426 LY434 MA504 MG450 ML466 MR478 MU480 MW454 \
         MZ508 NA516 NE562 NG566 RE638 RW646 SC690 SD729 SH654 SL694 SN686 SO706 SS728 ST678 SZ748 TD148 TG768 \
         TN788 TZ834 UG800 YT175 ZA710 ZM894 ZW716",
    ),
    ("AN", "AQ010 BV074 GS239 HM334 TF260"),
    (
        "AS",
        "AE784 AF004 AM051 AZ031 BD050 BH048 BN096 BT064 CC166 CN156 GE268 HK344 ID360 IL376 IN356 IO086 IQ368 \
         IR364 JO400 JP392 KG417 KH116 KP408 KR410 KW414 KZ398 LA418 LB422 LK144 MM104 MN496 MO446 MV462 MY458 \
         NP524 OM512 PH608 PK586 PS275 QA634 SA682 SG702 SY760 TH764 TJ762 TM795 TR792 TW158 UZ860 VN704 YE887",
    ),
    (
        "EU",
        "AD020 AL008 AT040 AX248 BA070 BE056 BG100 BY112 CH756 CY196 CZ203 DE276 DK208 EE233 ES724 FI246 FO234 \
         FR250 GB826 GG831 GI292 GR300 HR191 HU348 IE372 IM833 IS352 IT380 JE832 LI438 LT440 LU442 LV428 MC492 \
         MD498 ME499 MK807 MT470 NL528 NO578 PL616 PT620 RO642 RS688 RU643 SE752 SI705 SJ744 SK703 SM674 UA804 \
         VA336",
    ),
    (
        "NA",
        "AG028 AI660 AW533 BB052 BL652 BM060 BQ535 BS044 BZ084 CA124 CR188 CU192 CW531 DM212 DO214 GD308 GL304 \
         GP312 GT320 HN340 HT332 JM388 KN659 KY136 LC662 MF663 MQ474 MS500 MX484 NI558 PA591 PM666 PR630 SV222 \
         SX534 TC796 TT780 US840 VC670 VG092 VI850",
    ),
    (
        "OC",
        "AS016 AU036 CK184 CX162 FJ242 FM583 GU316 KI296 MH584 MP580 NC540 NF574 NR520 NU570 NZ554 PF258 PG598 \
         PN612 PW585 SB090 TK772 TL626 TO776 TV798 UM581 VU548 WF876 WS882",
    ),
    ("SA", "AR032 BO068 BR076 CL152 CO170 EC218 FK238 GF254 GY328 PE604 PY600 SR740 UY858 VE862"),
];
