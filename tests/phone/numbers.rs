//! Telephone numbers as the dialplan reads them, by the gateway's own table of vectors; and that Asterisk has nothing to say against what is
//! installed.

use std::fmt::Write as _;
use std::fs;

use crate::harness::switchboard::Switchboard;

/// Reads a number with the forms of a trunk, and notes what it is.
const PROBE: &str = "[probe]
exten => s,1,Set(NUMBER_TYPED=${URIDECODE(${TYPED})})
 same => n,Gosub(audiospread-e164,s,1)
 same => n,Set(AS_NOTE()=probe,${ROW} ${GOSUB_RETVAL})
";

#[tokio::test]
async fn the_dialplan_reads_numbers_as_the_gateway_does() {
    let radio = Switchboard::shared().await;
    fs::write(radio.path("etc/audiospread/trunks/probe.conf"), PROBE).unwrap();
    radio.console("dialplan reload");
    let table = include_str!("../fixtures/phone-numbers.tsv");
    let rows: Vec<Vec<&str>> =
        table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    for (at, row) in rows.iter().enumerate() {
        let [country, international, national, typed, _] = row[..] else { panic!("five columns: {row:?}") };
        let typed = typed.bytes().fold(String::new(), |mut typed, byte| {
            write!(typed, "%{byte:02X}").unwrap();
            typed
        });
        let file = format!(
            "Channel: Local/s@probe\nApplication: Wait\nData: 1\nSetvar: AS_COUNTRY_CODE={country}\n\
             Setvar: AS_INTERNATIONAL={international}\nSetvar: AS_NATIONAL={national}\nSetvar: TYPED={typed}\nSetvar: ROW={at}\n"
        );
        let aside = radio.path(&format!("spool/tmp/probe-{at}.call"));
        fs::write(&aside, file).unwrap();
        fs::rename(aside, radio.path(&format!("spool/outgoing/probe-{at}.call"))).unwrap();
    }
    for (at, row) in rows.iter().enumerate() {
        let query = format!("SELECT detail FROM event WHERE kind = 'probe' AND detail LIKE '{at} %'");
        let read: String = radio.written(&query);
        assert_eq!(read, format!("{at} {}", row[4]), "{row:?}");
    }
}

#[tokio::test]
async fn asterisk_loads_the_menus_without_a_warning() {
    let radio = Switchboard::shared().await;
    let log = fs::read_to_string(radio.path("log/full")).unwrap();
    let (loading, _) = log.split_once("Asterisk Ready.").unwrap();
    let complaints: Vec<&str> =
        loading.lines().filter(|line| line.contains("] WARNING[") || line.contains("] ERROR[")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(radio.console("dialplan show audiospread-trunk-alaw").contains("audiospread-arrivals"));
}
