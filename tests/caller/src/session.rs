//! What two ends agree on before they speak: SDP (RFC 8866) of one stream of G.711 with keys.

use std::net::{IpAddr, SocketAddr};

use crate::codec::Codec;

/// The payload type under which we offer keys.
pub(crate) const KEYS: u8 = 101;

/// What the other end said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) to: SocketAddr,
    pub(crate) codec: Codec,
    /// Under which payload type it takes keys.
    pub(crate) keys: u8,
}

/// What we say, whether we ask or answer.
pub(crate) fn offer(address: SocketAddr, codec: Codec) -> String {
    let (ip, port, number, name) = (address.ip(), address.port(), codec.payload_type(), codec.name());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {number} {KEYS}\r\n\
         a=rtpmap:{number} {name}/8000\r\na=rtpmap:{KEYS} telephone-event/8000\r\na=fmtp:{KEYS} 0-16\r\na=ptime:20\r\n"
    )
}

/// Reads what the other end said; nothing if there is no sound that we understand.
pub(crate) fn read(body: &str) -> Option<Agreed> {
    let (mut ip, mut stream, mut keys) = (None, None, KEYS);
    for line in body.lines() {
        if let Some(address) = line.strip_prefix("c=IN IP4 ") {
            ip = address.trim().parse::<IpAddr>().ok();
        } else if let Some(audio) = line.strip_prefix("m=audio ") {
            let mut words = audio.split(' ');
            let port: u16 = words.next()?.parse().ok()?;
            let codec = words.skip(1).find_map(|number| Codec::of(number.trim().parse().ok()?))?;
            stream = Some((port, codec));
        } else if let Some(number) =
            line.strip_prefix("a=rtpmap:").and_then(|map| map.trim().strip_suffix(" telephone-event/8000"))
        {
            keys = number.parse().ok()?;
        }
    }
    let (port, codec) = stream?;
    Some(Agreed { to: SocketAddr::new(ip?, port), codec, keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_understood() {
        let address = "127.0.0.2:4000".parse().unwrap();
        let agreed = read(&offer(address, Codec::Alaw)).unwrap();
        assert_eq!(agreed, Agreed { to: address, codec: Codec::Alaw, keys: KEYS });
    }

    #[test]
    fn without_g711_or_an_address_nothing_is_agreed() {
        assert_eq!(read("c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 9\r\n"), None);
        assert_eq!(read("m=audio 4000 RTP/AVP 0\r\n"), None);
        assert_eq!(read("c=IN IP4 nowhere\r\nm=audio x RTP/AVP 0\r\n"), None);
    }
}
