//! What trunks differ in: how they want numbers to be dialled, and what they tell of callers who do not want to be known.

use std::fs;

use crate::harness::switchboard::{PATIENCE, Switchboard};

/// The forms of numbers, and how each of two subscribers is dialled in it: one of the trunk's own country, one abroad.
const FORMS: &[(&str, &str, &str)] = &[
    ("e164", "+221789990001", "+33612345678"),
    ("plain", "221789990002", "33612345678"),
    ("international", "00221789990003", "0033612345678"),
    ("national", "0789990004", "0033612345678"),
];

/// Premium subscribers, one a form; after all others in the order of numbers.
fn subscriber(place: usize) -> String {
    format!("+22178999000{}", place + 1)
}

/// A trunk like the ordinary one, which wants numbers in this form; and what it would dial abroad is noted by `abroad`.
fn add_trunk(radio: &Switchboard, form: &str) {
    let context = format!("audiospread-trunk-{form}");
    let settings = [
        "AS_COUNTRY_CODE=221".to_owned(),
        "AS_INTERNATIONAL=00".to_owned(),
        "AS_NATIONAL=0".to_owned(),
        "AS_DIAL=PJSIP/%NUM%@alaw".to_owned(),
        "AS_CALLER_ID=700".to_owned(),
        format!("AS_TRUNK={form}"),
        format!("AS_FORM={form}"),
    ];
    let trunk = settings.iter().map(|setting| format!("Set({setting})")).chain(["Return()".to_owned()]);
    let abroad = ["Gosub(trunk,1)", "Set(NUMBER=+33612345678)", "Gosub(audiospread-outbound,s,1)"];
    let noted = [format!("Set(AS_NOTE()=abroad,{form}-${{GOSUB_RETVAL}})")];
    let abroad = abroad.iter().map(|step| (*step).to_owned()).chain(noted);
    for (extension, steps) in [("trunk", trunk.collect::<Vec<_>>()), ("abroad", abroad.collect())] {
        for (step, priority) in steps.iter().zip(1..) {
            let said = radio.console(&format!("dialplan add extension {extension},{priority},{step} into {context}"));
            assert!(said.contains("added"), "{step}: {said}");
        }
    }
    radio.console(&format!("dialplan add include audiospread-arrivals into {context}"));
}

/// A call that comes in by a trunk, on a channel of Asterisk's own.
fn comes_in(radio: &Switchboard, extension: &str, form: &str, from: &str) {
    let name = format!("trunk-{form}-{extension}.call");
    let file = format!(
        "Channel: Local/{extension}@audiospread-trunk-{form}/n\nCallerID: <{from}>\nApplication: Wait\nData: 1\nMaxRetries: 0\n"
    );
    let aside = radio.path(&format!("spool/tmp/{name}"));
    fs::write(&aside, file).unwrap();
    fs::rename(aside, radio.path(&format!("spool/outgoing/{name}"))).unwrap();
}

#[tokio::test]
async fn whoever_is_called_back_is_dialled_in_the_form_that_the_trunk_wants() {
    let radio = Switchboard::shared().await;
    for (place, (form, ..)) in FORMS.iter().enumerate() {
        let (id, number) = (90300 + place, subscriber(place));
        radio
            .phone
            .mirror()
            .execute_batch(&format!(
                "INSERT INTO subscriber (id, plan, language, balance_seconds) VALUES ({id}, 'premium', 'fr', NULL);
                 INSERT INTO subscriber_number (number, subscriber_id) VALUES ('{number}', {id});"
            ))
            .unwrap();
        add_trunk(radio, form);
        comes_in(radio, "700", form, &number);
        comes_in(radio, "abroad", form, "700");
    }
    for (place, (form, at_home, abroad)) in FORMS.iter().enumerate() {
        let number = subscriber(place);
        let ringing = radio.line("alaw").wait_for_ring(&number[4..], PATIENCE).unwrap();
        assert_eq!(ringing.dialled(), *at_home, "{form}");
        ringing.answer().unwrap().hang_up();
        let row: String = radio.written(&format!("SELECT state FROM callback WHERE number = '{number}'"));
        assert!(["pending", "answered", "ended"].contains(&row.as_str()), "{form}: {row}");
        let dialled: String =
            radio.written(&format!("SELECT detail FROM event WHERE kind = 'abroad' AND detail LIKE '{form}-%'"));
        assert_eq!(dialled, format!("{form}-{abroad}"));
    }
}

#[tokio::test]
async fn a_number_that_the_carrier_sends_and_restricts_is_withheld_everywhere() {
    let radio = Switchboard::shared().await;
    let number = "+221770009101";
    let mut caller = radio.call_restricted(number);
    caller.is_answered();
    caller.hears(&radio.prompt("home", "welcome_standard", "en")).presses("#321#");
    caller.hears(&radio.title(321)).presses("2").hears(&radio.prompt("playing", "bookmark_withheld", "en"));
    caller.hangs_up();
    let call: String =
        radio.written("SELECT cdr.call_id FROM cdr JOIN event USING (call_id) WHERE event.kind = 'code' AND cdr.caller = '' AND event.program_id = 321");
    let known: i64 = radio.written(&format!(
        "SELECT count(*) FROM event WHERE call_id = '{call}' AND caller <> '' OR caller LIKE '%{}'",
        &number[1..]
    ));
    assert_eq!(known, 0);
    let columns: i64 = radio.written(&format!(
        "SELECT (SELECT count(*) FROM cdr WHERE caller LIKE '%{0}' OR clid LIKE '%{0}%' OR src LIKE '%{0}%' OR channel LIKE '%{0}%' OR lastdata LIKE '%{0}%')
              + (SELECT count(*) FROM listening WHERE caller LIKE '%{0}')
              + (SELECT count(*) FROM callback WHERE number LIKE '%{0}')",
        &number[1..]
    ));
    assert_eq!(columns, 0, "the number is written down");
}
