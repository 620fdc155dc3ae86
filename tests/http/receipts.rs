//! What phone servers report, and what Drupal is told of it.

use audiospread_protocol::{DeleteReason, EntityKey, Epoch, Kind, Operation, Receipt, Sha256Digest};
use audiospread_server::phone_servers;
use mysql_async::prelude::Queryable as _;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{ALL, Gateway, PUBLIC, pack_sound, problem, program, program_value, put, until};
use crate::harness::{Mariadb, xmlrpc};

/// A receipt of a phone server that has nothing and wants nothing.
fn receipt() -> Value {
    json!({"software": "0.4.0", "backlog": 0, "calls_backlog": 0, "waiting_count": 0})
}

fn waiting(kind: &str, id: &str, state: &str) -> Value {
    json!({"kind": kind, "id": id, "state": state, "why": "Its audio is on its way."})
}

impl Gateway {
    async fn send_receipt(&self, token: &str, receipt: &Value) -> Response {
        self.request(Method::PUT, "/v1/receipt").bearer_auth(token).json(receipt).send().await.unwrap()
    }

    /// Reports what is given, by a phone server that has the feed as it is now.
    async fn report(&self, token: &str, members: Value) {
        let mut receipt = receipt();
        receipt["cursor"] = json!(self.store.head().await.unwrap().cursor(token == ALL));
        receipt["applied_at"] = json!(jiff::Timestamp::now());
        receipt.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        assert_eq!(self.send_receipt(token, &receipt).await.status(), StatusCode::NO_CONTENT);
    }

    /// What a method answers: an array of structs.
    async fn ask(&self, method: &str, arguments: &[i32]) -> Vec<Value> {
        xmlrpc::ask(&self.url(""), ALL, method, arguments).await
    }

    /// Where a node is on each phone server: its name, the state, since when, and why.
    async fn places(&self, nid: i32) -> Vec<(String, String, i64, String)> {
        let text = |place: &Value, name: &str| place[name].as_str().unwrap().to_owned();
        let told = self.ask("audiospread.status", &[nid]).await;
        told.iter()
            .map(|place| {
                let since = place["since"].as_i64().unwrap();
                (text(place, "name"), text(place, "state"), since, text(place, "message"))
            })
            .collect()
    }

    /// The state of a node on the one phone server that there is, and since when.
    async fn place(&self, nid: i32) -> (String, i64) {
        let places = self.places(nid).await;
        let [(_, state, since, why)] = &*places else { panic!("{places:?}") };
        assert_eq!(state == "shown", why.is_empty(), "{places:?}");
        (state.clone(), *since)
    }

    async fn sql(&self, statement: &str) {
        let mut conn = Mariadb::shared().connect(Some(&self.database)).await;
        conn.query_drop(statement).await.unwrap();
        conn.disconnect().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_server_is_told_of_once_it_has_reported() {
    let gateway = Gateway::with_content().await;
    assert_eq!(gateway.ask("audiospread.status", &[]).await.len(), 1, "the gateway alone");
    assert_eq!(gateway.places(171).await, []);
    let before = jiff::Timestamp::now().as_second();
    gateway.report(ALL, json!({"backlog": 3, "message": "The disk is nearly full."})).await;
    let all = gateway.ask("audiospread.status", &[]).await;
    assert_eq!((all.len(), &all[0]["kind"]), (2, &json!("gateway")));
    let mut server = all[1].clone();
    for moment in ["seen_at", "changed_at"] {
        let at = server.as_object_mut().unwrap().remove(moment).unwrap().as_i64().unwrap();
        assert!((before - 1..before + 60).contains(&at), "{moment} {at}");
    }
    let expected = json!({"kind": "phone_server", "name": "all", "software": "0.4.0", "version": 1, "behind": 0, "lag_seconds": 0,
        "backlog": 3, "message": "The disk is nearly full."});
    assert_eq!(server, expected);

    gateway.commit(vec![put(program(172), &program_value("A second", &pack_sound("en/programs/untitled")))]).await;
    gateway.sql("UPDATE feed_version SET committed_at = committed_at - 100 WHERE version = 2").await;
    let server = &gateway.ask("audiospread.status", &[]).await[1];
    assert_eq!((&server["version"], &server["behind"]), (&json!(1), &json!(1)));
    assert!((100..160).contains(&server["lag_seconds"].as_i64().unwrap()), "{server}");
    gateway.report(ALL, json!({})).await;
    let server = &gateway.ask("audiospread.status", &[]).await[1];
    assert_eq!((&server["version"], &server["behind"], &server["message"]), (&json!(2), &json!(0), &json!("")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_shown_coming_or_absent_and_since_when() {
    let gateway = Gateway::with_content().await;
    assert_eq!(gateway.send_receipt(ALL, &receipt()).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(gateway.place(171).await, ("coming".into(), 0), "nothing is taken over yet");

    gateway.report(ALL, json!({"waiting_count": 1, "waiting": [waiting("program", "171", "absent")]})).await;
    gateway.sql("UPDATE phone_server_entity SET since = since - 50").await;
    let (state, since) = gateway.place(171).await;
    assert!(state == "absent" && since > 0);
    gateway.report(ALL, json!({"waiting_count": 1, "waiting": [waiting("program", "171", "absent")]})).await;
    assert_eq!(gateway.place(171).await, (state, since), "it is absent since it was first said to be");
    gateway.sql("UPDATE phone_server_version SET applied_at = applied_at - 1000").await;
    gateway.report(ALL, json!({})).await;
    let (state, shown_since) = gateway.place(171).await;
    assert_eq!(state, "shown");
    assert!(shown_since >= since + 50, "since its audio was there, and not since the version was");
    let (state, subscriber_since) = gateway.place(318).await;
    assert_eq!(state, "shown");
    assert!(subscriber_since <= shown_since - 900, "what never waited is shown since the version was there");

    gateway.commit(vec![put(program(171), &program_value("Retitled", &pack_sound("en/programs/untitled")))]).await;
    assert_eq!(gateway.place(171).await.0, "coming");
    assert_eq!(gateway.place(318).await, ("shown".into(), subscriber_since), "of what did not change it is as before");
    gateway.report(ALL, json!({"waiting_count": 1, "waiting": [waiting("program", "171", "coming")]})).await;
    let places = gateway.places(171).await;
    assert_eq!((places[0].1.as_str(), places[0].3.as_str()), ("coming", "Its audio is on its way."));

    gateway.commit(vec![(program(171), Operation::Delete(DeleteReason::NoCategory))]).await;
    assert_eq!(gateway.place(171).await.0, "coming", "callers still get what they had");
    gateway.report(ALL, json!({})).await;
    let places = gateway.places(171).await;
    assert!(places[0].1 == "absent" && places[0].3.contains("category"), "{places:?}");
    assert_eq!(gateway.place(999).await, ("absent".into(), 0), "no node of the phone's");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_phone_servers_each_has_its_own_state() {
    let gateway = Gateway::with_content().await;
    gateway.report(ALL, json!({})).await;
    gateway.commit(vec![put(program(172), &program_value("A second", &pack_sound("en/programs/untitled")))]).await;
    gateway.report(PUBLIC, json!({"waiting_count": 1, "waiting": [waiting("program", "171", "absent")]})).await;
    let servers: Vec<_> = gateway.ask("audiospread.status", &[]).await;
    let told: Vec<_> = servers[1..].iter().map(|server| (server["name"].as_str(), server["behind"].as_i64())).collect();
    assert_eq!(told, [(Some("all"), Some(1)), (Some("public"), Some(0))]);
    let states = async |nid| -> Vec<_> {
        gateway.places(nid).await.into_iter().map(|(name, state, ..)| (name, state)).collect()
    };
    let both = |all: &str, public: &str| [("all".to_owned(), all.to_owned()), ("public".to_owned(), public.to_owned())];
    assert_eq!(states(171).await, both("shown", "absent"));
    assert_eq!(states(172).await, both("coming", "shown"));
    assert_eq!(states(318).await, both("shown", "absent"), "the second may not read subscribers");
    let metrics = gateway.get("/metrics").send().await.unwrap().text().await.unwrap();
    for line in
        [r#"versions_behind{server="all"} 1"#, r#"versions_behind{server="public"} 0"#, r#"waiting{server="public"} 1"#]
    {
        assert!(metrics.contains(&format!("\naudiospread_phone_server_{line}\n")), "{line}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_that_a_program_is_shown_while_more_waits_than_is_named() {
    let gateway = Gateway::with_content().await;
    gateway.report(ALL, json!({"waiting_count": 5000, "waiting": [waiting("program", "172", "absent")]})).await;
    assert_eq!(gateway.place(171).await.0, "coming");
    gateway.report(ALL, json!({})).await;
    assert_eq!(gateway.place(171).await.0, "shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_server_of_another_feed_has_nothing_of_this_one() {
    let gateway = Gateway::with_content().await;
    gateway.report(ALL, json!({})).await;
    let mut cursor = gateway.store.head().await.unwrap().cursor(true);
    cursor.epoch = Epoch(!cursor.epoch.0);
    gateway.report(ALL, json!({"cursor": cursor})).await;
    let server = &gateway.ask("audiospread.status", &[]).await[1];
    let told = (&server["version"], &server["behind"], &server["changed_at"]);
    assert_eq!(told, (&json!(0), &json!(1), &json!(0)));
    assert_eq!(gateway.place(171).await, ("coming".into(), 0));
    // A gateway whose database was restored from before what the phone server has.
    cursor.epoch = Epoch(!cursor.epoch.0);
    cursor.version = 7;
    gateway.report(ALL, json!({"cursor": cursor})).await;
    assert_eq!(gateway.place(171).await.0, "coming");
    gateway.report(ALL, json!({})).await;
    assert_eq!(gateway.place(171).await.0, "shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_wrong_is_not_believed() {
    let gateway = Gateway::with_content().await;
    let now = jiff::Timestamp::now().as_second();
    for wrong in ["1970-01-01T00:00:07Z", "2126-01-01T00:00:00Z"] {
        gateway.sql("DELETE FROM phone_server; DELETE FROM phone_server_version").await;
        gateway.report(ALL, json!({"applied_at": wrong})).await;
        let (state, since) = gateway.place(171).await;
        assert!(state == "shown" && (now - 120..now + 60).contains(&since), "{since} instead of about {now}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_was_long_ago_the_last_version_of_each_day_is_remembered() {
    let gateway = Gateway::with_content().await;
    gateway.report(ALL, json!({})).await;
    // Three versions on each of two days of long ago, and some of the last days.
    gateway
        .sql(
            "DELETE FROM phone_server_version; INSERT INTO phone_server_version SELECT 'all', n, 86400 * (10000 + n DIV 3) + n FROM \
             (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5) AS numbers; \
             INSERT INTO phone_server_version VALUES ('all', 6, UNIX_TIMESTAMP() - 7), ('all', 7, UNIX_TIMESTAMP() - 6); \
             INSERT INTO phone_server_entity VALUES ('all', 'program', '171', 'shown', '', 1, 1), ('all', 'program', '999', 'shown', '', 1, 1)",
        )
        .await;
    let remembered = async |query: &str| -> Vec<String> {
        let mut conn = Mariadb::shared().connect(Some(&gateway.database)).await;
        let found = conn.query(query).await.unwrap();
        conn.disconnect().await.unwrap();
        found
    };
    let thinning = tokio::spawn(phone_servers::thin_history(gateway.store.clone()));
    let entities = "SELECT CAST(id AS CHAR) FROM phone_server_entity";
    until("what is not in the feed any more is forgotten", async || remembered(entities).await == ["171"]).await;
    thinning.abort();
    let versions = "SELECT CAST(version AS CHAR) FROM phone_server_version ORDER BY version";
    assert_eq!(remembered(versions).await, ["2", "5", "6", "7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_that_cannot_be_decoded_is_a_finding_until_it_is_replaced() {
    let gateway = Gateway::with_content().await;
    let sound = pack_sound("en/programs/untitled");
    let sound = json!({"sha256": Sha256Digest::of(&sound), "why": "no frame is whole"});
    let unused = json!({"sha256": "0".repeat(64), "why": "nobody names it"});
    let found = async || {
        let answer = gateway.get("/v1/findings").send().await.unwrap().json::<Value>().await.unwrap();
        answer["findings"].as_array().unwrap().clone()
    };
    gateway.report(ALL, json!({"undecodable": [sound, unused]})).await;
    let findings = found().await;
    assert_eq!((findings.len(), &findings[0]["severity"]), (1, &json!("warning")));
    assert_eq!((&findings[0]["code"], &findings[0]["subject"]), (&json!("undecodable_sound"), &json!({"node": 171})));
    let message = findings[0]["message"].as_str().unwrap();
    assert!(message.contains("phone server all") && message.contains("no frame is whole"), "{message}");
    let waiting = json!([waiting("program", "171", "absent")]);
    gateway.report(ALL, json!({"undecodable": [sound], "waiting_count": 1, "waiting": waiting})).await;
    assert_eq!(found().await[0]["severity"], "error", "callers do not get it at all");
    assert_eq!(gateway.ask("audiospread.findings", &[0, 500, 171]).await[0]["code"], "undecodable_sound");
    assert_eq!(gateway.store.finding_owners().await.unwrap(), Vec::<String>::new(), "no refresh takes it away");

    gateway.commit(vec![put(program(171), &program_value("Mended", &pack_sound("fr/programs/untitled")))]).await;
    gateway.report(ALL, json!({"undecodable": [sound]})).await;
    assert_eq!(found().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_is_none_is_refused_and_changes_nothing() {
    let gateway = Gateway::with_content().await;
    gateway.report(ALL, json!({})).await;
    let before = gateway.ask("audiospread.status", &[]).await[1].clone();
    let with = |name: &str, value: Value| {
        let mut receipt = receipt();
        receipt[name] = value;
        receipt
    };
    let many: Vec<_> = (1..=1001).map(|id| waiting("program", &id.to_string(), "absent")).collect();
    for (refused, word) in [
        (with("software", json!("")), "`software`"),
        (with("message", json!("x".repeat(501))), "`message`"),
        (with("applied_at", json!("2026-11-24T10:00:00Z")), "`cursor`"),
        (with("waiting", json!([waiting("program", "171", "absent")])), "`waiting_count`"),
        (json!({"software": "1", "backlog": 0, "calls_backlog": 0, "waiting_count": 2000, "waiting": many}), "1000"),
        (with("waiting", json!([waiting("weather", "171", "absent")])), "column"),
        (with("backlog", json!(-1)), "column"),
        (with("cursor", json!("s3cret")), "column"),
        (json!([]), "object"),
    ] {
        let answer = gateway.send_receipt(ALL, &refused).await;
        assert_eq!(answer.status(), 400, "{refused}");
        let told = answer.json::<audiospread_protocol::Problem>().await.unwrap().detail;
        assert!(told.contains(word) && !told.contains("s3cret"), "{word}: {told}");
    }
    let as_text = gateway.request(Method::PUT, "/v1/receipt").bearer_auth(ALL).body("{}").send().await.unwrap();
    assert_eq!(problem(as_text).await, (415, "unsupported_media_type".into()));
    let large = gateway.send_receipt(ALL, &with("message", json!("x".repeat(3 << 20)))).await;
    assert_eq!(problem(large).await, (413, "too_large".into()));
    let stranger = gateway.send_receipt("unknown", &receipt()).await;
    assert_eq!(problem(stranger).await, (401, "unauthorized".into()));
    let get = gateway.get("/v1/receipt").send().await.unwrap();
    assert_eq!(problem(get).await, (405, "method_not_allowed".into()));
    assert_eq!(gateway.ask("audiospread.status", &[]).await[1..], [before]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_receipt_is_kept() {
    let gateway = Gateway::with_content().await;
    let many: Vec<_> = (1..=Receipt::MOST_WAITING)
        .map(|id| json!({"kind": "program", "id": id.to_string(), "state": "coming", "why": "é".repeat(Receipt::LONGEST_TEXT)}))
        .collect();
    gateway.report(ALL, json!({"waiting_count": 1000, "waiting": many})).await;
    assert_eq!(gateway.place(171).await.0, "coming");
}

/// The settings of a site with menus in these languages.
fn settings(languages: &[&str]) -> (EntityKey, Operation) {
    let settings = json!({"default_language": "en", "languages": languages, "home_categories": [], "menu_page_size": 7, "keys": {
        "menu": {"help": "0", "language": "8", "next_page": "9", "up": "*", "code": "#"},
        "playing": {"restart": "1", "bookmark": "2", "stop": "3", "rewind": "4", "play_pause": "5", "forward": "6", "previous": "7",
            "language": "8", "next": "9", "help": "0", "up": "*"}}});
    put(EntityKey::settings(), &settings.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_prompts_have_every_prompt_in_every_language_once() {
    let gateway = Gateway::with_content().await;
    assert_eq!(gateway.ask("audiospread.prompts", &[0, 400]).await, Vec::<Value>::new(), "there are no languages yet");
    let sound = pack_sound("en/programs/untitled");
    let audio =
        json!({"sha256": Sha256Digest::of(&sound), "size": sound.len(), "mime": "audio/mpeg", "duration_ms": 1001});
    let prompt = |context: &str, key: &str, language: &str, source: &str| {
        let value = json!({"context": context, "key": key, "language": language, "source": source, "audio": audio});
        let id = format!("{context}/{key}@{language}");
        let key = EntityKey::new(Kind::Prompt, id).unwrap();
        put(key, &value.to_string())
    };
    gateway
        .commit(vec![
            settings(&["fr", "en"]),
            prompt("home", "goodbye", "en", "pack"),
            prompt("home", "goodbye", "fr", "default"),
            prompt("home", "jingle", "fr", "site"),
        ])
        .await;
    let mut all = Vec::new();
    loop {
        let page = gateway.ask("audiospread.prompts", &[i32::try_from(all.len()).unwrap(), 7]).await;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let text = |prompt: &Value, name: &str| prompt[name].as_str().unwrap().to_owned();
    let mut places: Vec<_> =
        all.iter().map(|one| (text(one, "context"), text(one, "key"), text(one, "language"))).collect();
    assert!(places.is_sorted(), "by context, key and language");
    places.dedup();
    let list = std::fs::read_to_string(super::packs_directory().join("prompts.toml")).unwrap();
    let canonical = list.lines().filter(|line| line.starts_with("key = ")).count();
    assert_eq!(
        (places.len(), all.len()),
        (2 * canonical + 2, 2 * canonical + 2),
        "those of the list, and the site's own"
    );
    assert_eq!(gateway.ask("audiospread.prompts", &[0, 400]).await, all);
    let of = |key: &str, language: &str| {
        all.iter().find(|one| one["key"] == key && one["language"] == language && one["context"] == "home").unwrap()
    };
    let goodbye = json!({"context": "home", "key": "goodbye", "language": "fr", "text": "Merci de votre appel. Au revoir.",
        "source": "default", "nid": 0, "sha256": audio["sha256"], "seconds": 2});
    assert_eq!(*of("goodbye", "fr"), goodbye);
    assert_eq!((&of("goodbye", "en")["source"], &of("jingle", "fr")["source"]), (&json!("pack"), &json!("site")));
    let unheard = json!({"context": "home", "key": "jingle", "language": "en", "text": "", "source": "none", "nid": 0, "sha256": "", "seconds": 0});
    assert_eq!(*of("jingle", "en"), unheard);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_page_of_prompts_is_one_that_drupal_reads() {
    let gateway = Gateway::with_content().await;
    gateway.commit(vec![settings(&["en", "fr", "wo", "ff", "sn", "dy", "bm", "ha"])]).await;
    assert_eq!(gateway.ask("audiospread.prompts", &[0, 400]).await.len(), 400);
}
