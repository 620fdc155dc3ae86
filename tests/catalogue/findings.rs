//! What an editor of the fixture's site is told.

use std::collections::{BTreeMap, BTreeSet};

use audiospread_server::blobs::load_packs;
use audiospread_server::catalogue::{Catalogue, Finding, ProgramCounts, Rules, Severity, Subject, codes};
use audiospread_server::drupal::Reader;

use super::expected::Expected;
use crate::harness::DrupalSite;

async fn findings() -> Vec<Finding> {
    let site = DrupalSite::new().build().await;
    let config = site.config();
    let rows = Reader::new(&config).unwrap().read_all().await.unwrap();
    let (audio, rules) = (Expected::load().audio(), Rules::new(&config));
    let packs = load_packs(&config.packs_dir).unwrap().packs;
    let catalogue = Catalogue::new(&rows, &audio, &rules, &packs);
    let mut counts = ProgramCounts::default();
    let mut findings = rows.notes.clone();
    for key in catalogue.keys() {
        let draft = catalogue.draft(&key);
        findings.extend(draft.findings);
        if let Some(nid) = key.number() {
            counts.note(nid, &draft.categories);
        }
    }
    findings.extend(catalogue.site_findings(counts.per_category()));
    findings
}

#[tokio::test]
async fn everything_that_is_wrong_with_the_fixture_is_told_and_nothing_else() {
    let mut told: BTreeMap<String, BTreeSet<Subject>> = BTreeMap::new();
    for finding in findings().await {
        told.entry(finding.code.into_owned()).or_default().insert(finding.subject);
    }
    let nodes = |nids: &[u32]| nids.iter().copied().map(Subject::Node).collect::<BTreeSet<_>>();
    let terms = |tids: &[u32]| tids.iter().copied().map(Subject::Term).collect::<BTreeSet<_>>();
    let expected = [
        (codes::NO_CATEGORY, nodes(&[330, 365, 408, 423])),
        (codes::NO_BODY, nodes(&[333, 337])),
        (codes::MISSING_BLOB, nodes(&[347])),
        (codes::DANGLING_FILE, nodes(&[350])),
        (codes::UNPUBLISHED_FILE, nodes(&[353])),
        (codes::NO_TITLE, nodes(&[228, 335, 391, 446])),
        (codes::NUMBER_IN_TITLE, nodes(&[408, 423])),
        (codes::SOUND_WITHOUT_CATEGORY, nodes(&[50])),
        (codes::NO_TITLE_SOUND, terms(&[3, 4, 6, 7, 9, 11])),
        (codes::PROGRAMS_BESIDE_CATEGORIES, terms(&[1, 5])),
        (codes::NUMBER_SHARED, nodes(&[294, 299, 306, 307])),
        (codes::NUMBER_UNREADABLE, nodes(&[298])),
        (codes::NO_NUMBER, nodes(&[299, 307, 320])),
    ];
    let mut expected: BTreeMap<String, BTreeSet<Subject>> =
        expected.into_iter().map(|(code, subjects)| (code.to_owned(), subjects)).collect();
    let drafts = [192, 230, 273, 276, 300, 312, 359, 402, 405, 411, 414, 417, 420, 426, 429, 431, 434];
    expected.insert(codes::UNPUBLISHED.to_owned(), nodes(&drafts));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn every_finding_has_a_code_of_the_table_and_says_what_to_do_without_a_number_of_a_person() {
    let known: BTreeSet<&str> = codes::ALL.iter().map(|(code, _)| *code).collect();
    for finding in findings().await {
        assert!(known.contains(&*finding.code), "{finding:?}");
        assert!(finding.message.ends_with('.') && finding.message.contains(": "), "{finding:?}");
        assert!(!finding.message.contains("555"), "{finding:?}");
        if finding.code == codes::UNPUBLISHED {
            assert_eq!(finding.severity, Severity::Info);
        }
    }
}
