//! The table of hazards says nothing that is not so.

/// The tests of this crate, as text.
const TESTS: [&str; 9] = [
    include_str!("beneficiary.rs"),
    include_str!("hazards.rs"),
    include_str!("hazards/code.rs"),
    include_str!("hazards/fees.rs"),
    include_str!("hazards/judging.rs"),
    include_str!("hazards/lives.rs"),
    include_str!("lifecycle.rs"),
    include_str!("verdicts.rs"),
    include_str!("../value.rs"),
];

#[test]
fn every_test_that_the_table_of_hazards_names_exists_and_every_hazard_has_a_row() {
    let table = include_str!("../hazards.md");
    let names = table.split('`').skip(1).step_by(2).filter(|name| name.contains('_'));
    let exists = |name: &str| {
        let function = format!("fn {name}(");
        TESTS.iter().any(|text| text.contains(&function))
    };
    for name in names.filter(|name| !name.ends_with('…')) {
        assert!(exists(name), "{name}");
    }
    let rows: Vec<(u32, u32)> = table.lines().filter_map(row).collect();
    let covered = |number: &u32| rows.iter().any(|(from, to)| (from..=to).contains(&number));
    let missing: Vec<u32> = (1..=60).filter(|number| !covered(number)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The hazards that a line is about.
fn row(line: &str) -> Option<(u32, u32)> {
    let number = line.strip_prefix("| ")?.split(' ').next()?;
    let (from, to) = number.split_once('-').unwrap_or((number, number));
    Some((from.parse().ok()?, to.parse().ok()?))
}
