//! A link with faults: an HTTP proxy in front of a gateway that cuts, slows, spoils and delays answers as a test wants it.
//!
//! Each connection carries one request, so that a fault hits one answer and no other.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What happens to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ends after so many bytes of the body, though more were announced.
    CutAfter(usize),
    /// The body ends after so many bytes, and the answer says that this is all.
    Shorten(usize),
    /// So many bytes of the body a second.
    Throttle(usize),
    /// The last byte of the body is another one.
    Spoil,
    /// The answer's date is another one.
    Date(&'static str),
    /// The head of the answer, and then nothing for as long as the client waits.
    Stall,
    /// A page of a network that wants a login.
    Login,
    /// The connection ends without an answer.
    Drop,
    /// So many bytes of the request's body reach the gateway; then the connection ends.
    CutRequestAfter(usize),
    /// The gateway does what was asked; its answer is lost.
    LoseAnswer,
    /// Somebody in front of the gateway answers: its status, and `Retry-After` where that is not empty.
    Answer(u16, &'static str),
}

/// A fault of the answers to some requests.
#[derive(Clone, Debug)]
struct Rule {
    path: String,
    fault: Fault,
    /// To how many answers more it happens.
    times: usize,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) method: String,
    /// Bytes of its body.
    pub(crate) sent: u64,
    /// `Range`, where it was asked for.
    pub(crate) range: Option<String>,
    /// Bytes of the body that the gateway answered, once it has.
    pub(crate) answered: Option<usize>,
    number: usize,
}

struct State {
    gateway: SocketAddr,
    rules: Vec<Rule>,
    seen: Vec<Seen>,
    /// Requests that came, ever.
    count: usize,
}

/// A running proxy; it ends with the tests' process.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// A proxy without faults in front of a gateway.
    pub(crate) fn before(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State { gateway, rules: Vec::new(), seen: Vec::new(), count: 0 };
        let state = Arc::new(Mutex::new(state));
        let proxy = Self { address: listener.local_addr().unwrap(), state };
        let state = proxy.state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                // A client that went away is what many of these tests are about.
                thread::spawn(move || drop(carry(&stream, &state)));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it leads to another gateway.
    pub(crate) fn aim_at(&self, gateway: SocketAddr) {
        self.state.lock().unwrap().gateway = gateway;
    }

    /// From now on, so many answers to requests with `path` in their method and path, such as `PATCH /v1/uploads`, have a fault.
    pub(crate) fn fail(&self, path: &str, times: usize, fault: Fault) {
        self.state.lock().unwrap().rules.push(Rule { path: path.to_owned(), fault, times });
    }

    /// From now on nothing fails.
    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().rules.clear();
    }

    /// The requests since the last call.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

fn carry(client: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut from_client = BufReader::new(client.try_clone()?);
    let request = read_head(&mut from_client)?;
    let path = request[0].split(' ').nth(1).unwrap_or_default().to_owned();
    let (gateway, number, fault) = {
        let mut state = state.lock().unwrap();
        state.count += 1;
        let number = state.count;
        let sent = header(&request, "content-length").map_or(0, |length| length.parse().unwrap());
        let method = request[0].split(' ').next().unwrap_or_default().to_owned();
        let range = header(&request, "range");
        state.seen.push(Seen { path: path.clone(), method, sent, range, answered: None, number });
        let asked = format!("{} {path}", request[0].split(' ').next().unwrap_or_default());
        let rule = state.rules.iter_mut().find(|rule| rule.times > 0 && asked.contains(&rule.path));
        let fault = rule.map(|rule| {
            rule.times -= 1;
            rule.fault.clone()
        });
        (state.gateway, number, fault)
    };
    let mut out = client.try_clone()?;
    match fault {
        Some(Fault::Drop) => return client.shutdown(Shutdown::Both),
        Some(Fault::Login) => {
            let page = "<html><title>Please log in</title></html>";
            return write!(
                out,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
        Some(Fault::Answer(status, retry_after)) => {
            let retry = if retry_after.is_empty() { String::new() } else { format!("Retry-After: {retry_after}\r\n") };
            return write!(
                out,
                "HTTP/1.1 {status} As a test wants\r\n{retry}Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(gateway)?;
    upstream.write_all(with_headers(&request, &[("Connection", "close")]).as_bytes())?;
    let length: u64 = header(&request, "content-length").map_or(0, |length| length.parse().unwrap());
    if let Some(Fault::CutRequestAfter(most)) = fault {
        io::copy(&mut from_client.by_ref().take(length.min(most as u64)), &mut upstream)?;
        upstream.shutdown(Shutdown::Both)?;
        return client.shutdown(Shutdown::Both);
    }
    io::copy(&mut from_client.by_ref().take(length), &mut upstream)?;
    let mut from_gateway = BufReader::new(upstream);
    let head = read_head(&mut from_gateway)?;
    let mut body = Vec::new();
    from_gateway.read_to_end(&mut body)?;
    if header(&head, "transfer-encoding").is_some() {
        body = unchunked(&body);
    }
    if let Some(seen) = state.lock().unwrap().seen.iter_mut().find(|seen| seen.number == number) {
        seen.answered = Some(body.len());
    }
    if fault == Some(Fault::LoseAnswer) {
        return client.shutdown(Shutdown::Both);
    }
    // The answer to HEAD says how long a body would be, and has none.
    if request[0].starts_with("HEAD ") {
        return out.write_all(with_headers(&head, &[("Connection", "close")]).as_bytes());
    }
    let announced = body.len().to_string();
    let mut headers = vec![("Connection", "close"), ("Transfer-Encoding", ""), ("Content-Length", announced.as_str())];
    let shorter;
    match &fault {
        Some(Fault::CutAfter(length)) => body.truncate(*length),
        Some(Fault::Shorten(length)) => {
            body.truncate(*length);
            shorter = body.len().to_string();
            headers[2].1 = &shorter;
        }
        Some(Fault::Spoil) => {
            if let Some(last) = body.last_mut() {
                *last ^= 0x55;
            }
        }
        Some(Fault::Date(date)) => headers.push(("Date", date)),
        _ => {}
    }
    out.write_all(with_headers(&head, &headers).as_bytes())?;
    match fault {
        Some(Fault::Stall) => {
            // Until the client gives up.
            let _ = from_client.read(&mut [0]);
            Ok(())
        }
        Some(Fault::Throttle(rate)) => {
            for piece in body.chunks((rate / 20).max(1)) {
                out.write_all(piece)?;
                thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        _ => out.write_all(&body),
    }
}

/// The lines of a head, without the empty one that ends it.
fn read_head(from: &mut impl BufRead) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => return Ok(lines),
            line => lines.push(line.to_owned()),
        }
    }
}

fn header(head: &[String], name: &str) -> Option<String> {
    head.iter().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// A head with some headers replaced; those replaced by nothing are left out.
fn with_headers(head: &[String], headers: &[(&str, &str)]) -> String {
    let is_replaced = |line: &str| {
        line.split_once(':').is_some_and(|(name, _)| headers.iter().any(|(new, _)| new.eq_ignore_ascii_case(name)))
    };
    let kept = head
        .iter()
        .enumerate()
        .filter(|(number, line)| *number == 0 || !is_replaced(line))
        .map(|(_, line)| line.clone());
    let new = headers.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}: {value}"));
    kept.chain(new).map(|line| line + "\r\n").collect::<String>() + "\r\n"
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap().trim(), 16).unwrap();
        if length == 0 {
            break;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    out
}
