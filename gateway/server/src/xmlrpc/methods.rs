//! Which methods there are, what they take, whom they allow, and who answers them.

use std::sync::Arc;

use actix_web::web;
use dxr::Value;
use dxr::multicall::into_multicall_response;

use super::answer::{int, structure, text};
use super::arguments::{Arguments, Members};
use super::call::Call;
use super::fault::Fault;
use super::{findings, notify, prompts, recordings, status, totals};
use crate::http::State;
use crate::http::tokens::{Scope, Token};

/// At most so many calls in one.
const MOST_CALLS: usize = 100;

/// A method as it is described to its callers.
struct Method {
    name: &'static str,
    /// The scope that it needs; none: any token will do.
    scope: Option<Scope>,
    /// The type of the result and those of the arguments, for each way of calling it.
    signatures: &'static [&'static [&'static str]],
    help: &'static str,
}

impl Method {
    /// How many arguments it may be given.
    fn arguments(&self) -> std::ops::RangeInclusive<usize> {
        let counts = || self.signatures.iter().map(|types| types.len() - 1);
        counts().min().unwrap_or(0)..=counts().max().unwrap_or(0)
    }
}

const METHODS: &[Method] = &[
    Method { name: "system.listMethods", scope: None, signatures: &[&["array"]], help: "The names of all methods." },
    Method {
        name: "system.methodSignature",
        scope: None,
        signatures: &[&["array", "string"]],
        help: "For each way of calling a method: the type of its result, then those of its arguments.",
    },
    Method {
        name: "system.methodHelp",
        scope: None,
        signatures: &[&["string", "string"]],
        help: "What a method is for.",
    },
    Method {
        name: "system.getCapabilities",
        scope: None,
        signatures: &[&["struct"]],
        help: "Which specifications this server follows.",
    },
    Method {
        name: "system.multicall",
        scope: None,
        signatures: &[&["array", "array"]],
        help: "Makes at most 100 calls, each a struct of methodName and params. The result has, for each, an array with its result, or a \
               struct with faultCode and faultString. It cannot be called within itself.",
    },
    Method {
        name: "audiospread.notify",
        scope: Some(Scope::Admin),
        signatures: &[&["int", "array"]],
        help: "Says what changed in Drupal, at most 500 changes: structs of kind (node, term, vocabulary, user, field, settings, all), id, \
               vid and changed of a node after its save, and op (save, delete). Answers at once with the number of changes understood; they \
               are read afterwards. To be sent after the save has ended; the same may come again.",
    },
    Method {
        name: "audiospread.status",
        scope: Some(Scope::Admin),
        signatures: &[&["array"], &["array", "int"]],
        help: "How all are doing: structs of kind (gateway, phone_server), name, software, version, changed_at, seen_at, backlog and message, \
               the gateway first, which has errors, warnings and held besides, phone servers behind and lag_seconds. With the nid of a node: \
               where it is on the phone, for each phone server a struct of name, state (shown, coming, absent), since and message.",
    },
    Method {
        name: "audiospread.findings",
        scope: Some(Scope::Admin),
        signatures: &[&["array", "int", "int"], &["array", "int", "int", "int"]],
        help: "Why something is not, or not well, on the phone, the severest first: from which offset, how many (1 to 500), and of which \
               node, if only its findings are wanted. Structs of code, severity, kind, id, name and message.",
    },
    Method {
        name: "audiospread.prompts",
        scope: Some(Scope::Admin),
        signatures: &[&["array", "int", "int"]],
        help: "Every prompt in every language of the menus, ordered by context, key and language: from which offset, how many (1 to 400). \
               Structs of context, key, language, text, source (site, pack, default, none), nid, sha256 and seconds.",
    },
    Method {
        name: "audiospread.recordings.pending",
        scope: Some(Scope::Recordings),
        signatures: &[&["array", "int", "string"]],
        help: "Recordings that Drupal has not taken, the oldest first: how many (1 to 100), and the key for waking Drupal. Structs of uuid, \
               recorded_at, received_at, server, caller, language, category, hung_up, silent, and store, ref, size, sha256, mime and seconds of \
               body and title.",
    },
    Method {
        name: "audiospread.recordings.taken",
        scope: Some(Scope::Recordings),
        signatures: &[&["int", "array"]],
        help: "Says what Drupal made of recordings, at most 500: structs of uuid, nid, state (made, refused) and message. Answers how many were \
               known.",
    },
    Method {
        name: "audiospread.calls.totals",
        scope: Some(Scope::Calls),
        signatures: &[&["array", "string", "string", "int"]],
        help: "What each caller has called in a month (such as 2026-11, UTC), in the order of the numbers, from the first number after the one \
               given on (empty: from the beginning), how many (1 to 500). Structs of number, subscriber, calls, seconds and billable_seconds.",
    },
];

fn known(name: &str) -> Result<&'static Method, Fault> {
    let known = METHODS.iter().find(|method| method.name == name);
    known.ok_or_else(|| Fault::new(Fault::NO_SUCH_METHOD, "There is no such method; system.listMethods names all."))
}

/// Makes a call.
pub(super) async fn call(state: &web::Data<State>, caller: &Arc<Token>, call: Call) -> Result<Value, Fault> {
    if call.method == "system.multicall" {
        return multicall(state, caller, call.arguments).await;
    }
    single(state, caller, call).await
}

async fn single(state: &web::Data<State>, caller: &Arc<Token>, call: Call) -> Result<Value, Fault> {
    let method = known(&call.method)?;
    if let Some(scope) = method.scope.filter(|scope| !caller.allows(*scope)) {
        return Err(Fault::forbidden(scope.as_str()));
    }
    let mut arguments = Arguments::new(call.arguments, method.arguments())?;
    match method.name {
        "system.listMethods" => Ok(Value::Array(METHODS.iter().map(|method| text(method.name)).collect())),
        "system.methodSignature" => Ok(signatures(known(&arguments.text()?)?)),
        "system.methodHelp" => Ok(text(known(&arguments.text()?)?.help)),
        "system.getCapabilities" => Ok(capabilities()),
        "audiospread.notify" => notify::notify(state, arguments),
        "audiospread.status" => status::status(state, arguments).await,
        "audiospread.prompts" => prompts::prompts(state, arguments).await,
        "audiospread.recordings.pending" => recordings::pending(state, arguments).await,
        "audiospread.recordings.taken" => recordings::taken(state, arguments).await,
        "audiospread.calls.totals" => totals::totals(state, arguments).await,
        "audiospread.findings" => findings::findings(state, arguments).await,
        _ => Err(Fault::nonsense("This method can only be called by itself.")),
    }
}

async fn multicall(state: &web::Data<State>, caller: &Arc<Token>, arguments: Vec<Value>) -> Result<Value, Fault> {
    let calls = Arguments::new(arguments, 1..=1)?.list(MOST_CALLS)?;
    let mut results = Vec::with_capacity(calls.len());
    for wanted in calls {
        let outcome = match one_of_many(wanted) {
            Ok(wanted) => single(state, caller, wanted).await,
            Err(fault) => Err(fault),
        };
        if let Some(cause) = outcome.as_ref().err().and_then(Fault::cause) {
            tracing::error!(cause, "an XML-RPC call failed");
        }
        results.push(outcome.map_err(|fault| fault.told()));
    }
    Ok(into_multicall_response(results))
}

fn one_of_many(wanted: Value) -> Result<Call, Fault> {
    let no_call = || Fault::nonsense("A call of system.multicall is a struct with methodName and params.");
    let mut members = Members::of(wanted).ok_or_else(no_call)?;
    let method = members.text("methodName").ok_or_else(no_call)?.to_owned();
    Ok(Call { method, arguments: members.take_list("params").ok_or_else(no_call)? })
}

fn signatures(method: &Method) -> Value {
    let one = |types: &&[&str]| Value::Array(types.iter().map(text).collect());
    Value::Array(method.signatures.iter().map(one).collect())
}

fn capabilities() -> Value {
    let follows = |address, version: u32| structure([("specUrl", text(address)), ("specVersion", int(version))]);
    structure([
        ("xmlrpc", follows("http://www.xmlrpc.com/spec", 1)),
        ("faults_interop", follows("http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20_010_516)),
        ("system.multicall", follows("http://www.xmlrpc.com/discuss/msgReader$1208", 1)),
        ("introspection", follows("http://xmlrpc-epi.sourceforge.net/specs/rfc.introspection.php", 1)),
    ])
}
