//! The lint finds what Asterisk would find only in a call. Each test breaks a small dialplan that has no fault.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{run, shipped};

const MENU: &str = r#"
[menu]
include => hangup
; A menu.
exten => s,1,Set(LOCAL(NAME)=${AS_NAME(${ARG1})})
 same => n,GotoIf($["${NAME}"=""]?none)
 same => n,Gosub(audiospread-say,s,1(home,goodbye))
 same => n,Goto(do-${ACTION},1)
 same => n(none),Return(${AS_WAIT})
exten => do-up,1,GotoIf($["${KEY}"="${UP}"]?s,none)
 same => n,Record(/tmp/x.wav,5,60,qk)
 same => n,Set(AS_WAIT=5)
exten => _X!,1,ExecIf($["${NAME}"=""]?Gosub(s,1(a,b)))
"#;

const HANGUP: &str = "[hangup]\nexten => h,1,NoOp(\"done\")\n[audiospread-say]\nexten => s,1,Return()\n";
const FUNCTIONS: &str = "[NAME]\nprefix=AS\ndsn=mirror\nreadsql=SELECT 1\n";
const PROMPTS: &str = "[[prompt]]\ncontext = \"home\"\nkey = \"goodbye\"\n";

/// Of the small dialplan with one thing replaced: whether it passes, and what is said.
fn lint(file: &str, from: &str, to: &str) -> (bool, String) {
    let directory = TempDir::new().unwrap();
    let files =
        [("menu.conf", MENU), ("hangup.conf", HANGUP), ("func_odbc.conf", FUNCTIONS), ("prompts.toml", PROMPTS)];
    for (name, text) in files {
        let text = if name == file {
            assert!(text.contains(from), "{from} is not in {name}");
            text.replacen(from, to, 1)
        } else {
            text.to_owned()
        };
        fs::write(directory.path().join(name), text).unwrap();
    }
    let mut command = Command::new(shipped("lint"));
    told(command.arg("--prompts").arg(directory.path().join("prompts.toml")).arg(directory.path()))
}

fn told(command: &mut Command) -> (bool, String) {
    let output = run(command);
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[track_caller]
fn finds(fault: &str, file: &str, from: &str, to: &str) {
    let (passes, said) = lint(file, from, to);
    assert!(!passes && said.contains(fault), "expected: {fault}\nsaid: {said}");
    assert_eq!(said.lines().count(), 1, "one fault is told once: {said}");
}

#[test]
fn the_dialplan_of_the_repository_has_no_fault() {
    assert_eq!(told(&mut Command::new(shipped("lint"))), (true, String::new()));
}

#[test]
fn the_small_dialplan_of_these_tests_has_no_fault() {
    assert_eq!(lint("menu.conf", "; A menu.", "; A menu."), (true, String::new()));
}

#[test]
fn a_jump_that_leads_nowhere_is_found_whatever_makes_it() {
    finds("there is no context say", "menu.conf", "Goto(do-${ACTION},1)", "Goto(say,s,1)");
    finds("menu has no extension t", "menu.conf", "Goto(do-${ACTION},1)", "Goto(t,1)");
    finds("has no priority or label nobody", "menu.conf", "?none)", "?nobody)");
    finds("has no priority or label 9", "menu.conf", "]?s,none)", "]?s,9)");
    finds("menu has no extension q", "menu.conf", "Gosub(s,1(a,b))", "Gosub(q,1(a,b))");
    finds("menu has no extension go-${ACTION}", "menu.conf", "Goto(do-${ACTION},1)", "Goto(go-${ACTION},1)");
    let handler = "Set(CHANNEL(hangup_handler_push)=menu,gone,1)";
    finds(
        "menu has no extension gone",
        "menu.conf",
        "Set(AS_WAIT=5)",
        &format!("Set(AS_WAIT=5)\n same => n,{handler}"),
    );
    finds("includes nothing, which does not exist", "menu.conf", "; A menu.", "include => nothing");
}

#[test]
fn a_lookup_whose_empty_answer_nobody_looks_at_is_found() {
    let test = "GotoIf($[\"${NAME}\"=\"\"]?none)";
    finds("nothing is done if AS_NAME finds nothing", "menu.conf", test, "NoOp(${NAME})\n same => n,Goto(none)");
    finds("nothing is done if AS_NAME finds nothing", "menu.conf", test, "GotoIf($[\"${OTHER}\"=\"\"]?none)");
    finds(
        "nothing is done if AS_NAME finds nothing",
        "menu.conf",
        "Set(LOCAL(NAME)=${AS_NAME(${ARG1})})",
        "NoOp(${AS_NAME(1)})",
    );
}

#[test]
fn a_lookup_may_say_why_an_empty_answer_does_not_matter() {
    let bare = "NoOp(${AS_NAME(1)})";
    let lookup = "exten => s,1,Set(LOCAL(NAME)=${AS_NAME(${ARG1})})";
    assert_eq!(
        lint("menu.conf", lookup, &format!("; Empty: it is only written down.\nexten => s,1,{bare}")),
        (true, String::new())
    );
    assert_eq!(lint("menu.conf", "${AS_NAME(${ARG1})})", "$[0${AS_NAME(1)} + 1])"), (true, String::new()));
}

#[test]
fn functions_that_are_not_defined_and_functions_that_are_not_called_are_found() {
    finds(
        "AS_OTHER is no function of func_odbc",
        "menu.conf",
        "Set(AS_WAIT=5)",
        "Set(AS_WAIT=5)\n same => n,Set(AS_OTHER()=5)",
    );
    finds("AS_MORE is never called", "func_odbc.conf", "[NAME]", "[MORE]\nprefix=AS\n[NAME]");
}

#[test]
fn a_context_that_records_and_has_nothing_for_a_hang_up_is_found() {
    finds("menu records and has no extension h", "menu.conf", "include => hangup\n", "");
    finds("menu records and has no extension h", "hangup.conf", "exten => h,1", "exten => s,1");
}

#[test]
fn prompts_that_are_missing_and_prompts_that_nobody_says_are_found() {
    let (passes, said) = lint("menu.conf", "(home,goodbye)", "(home,good_night)");
    assert!(!passes && said.contains("there is no prompt home/good_night"), "{said}");
    assert!(said.contains("the prompt home/goodbye is never said"), "{said}");
    let more = "[[prompt]]\ncontext = \"home\"\nkey = \"hello\"\n\n[[prompt]]";
    finds("the prompt home/hello is never said", "prompts.toml", "[[prompt]]", more);
}

#[test]
fn a_setting_that_is_set_nowhere_is_found() {
    finds("AS_WAIT is set nowhere", "menu.conf", "Set(AS_WAIT=5)", "NoOp()");
}

#[test]
fn a_key_of_the_telephone_that_is_written_into_a_menu_is_found() {
    finds("the key 5 is written into the menu", "menu.conf", "\"${KEY}\"=\"${UP}\"", "\"${KEY}\"=\"5\"");
}

#[test]
fn priorities_and_labels_that_asterisk_would_pass_over_are_found() {
    finds("has priority 3 after 0", "menu.conf", "exten => _X!,1,", "exten => _X!,3,");
    finds(
        "has the label none twice",
        "menu.conf",
        "same => n,Record",
        "same => n(none),NoOp()\n same => n(none),Record",
    );
    finds("not understood", "menu.conf", "; A menu.", "exten => x;y");
}

#[test]
fn each_file_of_the_dialplan_is_read() {
    let etc = shipped("etc/audiospread");
    let with_steps = |path: &Path| fs::read_to_string(path).unwrap().contains("\nexten => ");
    let count =
        fs::read_dir(etc.join("menus")).unwrap().filter(|file| with_steps(&file.as_ref().unwrap().path())).count();
    assert!(count > 5, "the menus are in {count} files");
    let output = run(&mut Command::new(shipped("lint")));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let steps: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert!(steps > 500, "{said}");
}
