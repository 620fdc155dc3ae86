//! The account of a softphone: answers to challenges, HTTP's digest with MD5 as SIP uses it (RFC 3261, 22).

use md5::{Digest, Md5};

/// A name and its password.
#[derive(Clone)]
pub struct Account {
    /// The user of the account, which is also that of its address.
    pub name: String,
    /// Its password.
    pub password: String,
}

impl Account {
    /// The value of `Authorization` for a request that was challenged; nothing if the challenge is of a kind we do not know.
    pub(crate) fn answer(&self, challenge: &str, method: &str, uri: &str, cnonce: &str) -> Option<String> {
        let parameters = challenge.strip_prefix("Digest ")?;
        let get = |name: &str| {
            parameters.split(',').find_map(|part| {
                let (known, value) = part.trim().split_once('=')?;
                (known == name).then(|| value.trim_matches('"'))
            })
        };
        let (realm, nonce) = (get("realm")?, get("nonce")?);
        if get("algorithm").is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("MD5")) {
            return None;
        }
        let secret = md5(&format!("{}:{realm}:{}", self.name, self.password));
        let asked = md5(&format!("{method}:{uri}"));
        let (response, more) = if get("qop").is_some() {
            let response = md5(&format!("{secret}:{nonce}:00000001:{cnonce}:auth:{asked}"));
            (response, format!(", qop=auth, nc=00000001, cnonce=\"{cnonce}\""))
        } else {
            (md5(&format!("{secret}:{nonce}:{asked}")), String::new())
        };
        let opaque = get("opaque").map_or(String::new(), |opaque| format!(", opaque=\"{opaque}\""));
        Some(format!(
            "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm=MD5{more}{opaque}",
            self.name
        ))
    }
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 2617, 3.5.
    #[test]
    fn the_example_of_the_standard_is_answered_as_it_says() {
        let account = Account { name: "Mufasa".into(), password: "Circle Of Life".into() };
        let challenge = "Digest realm=\"testrealm@host.com\", qop=\"auth\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                         opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let answer = account.answer(challenge, "GET", "/dir/index.html", "0a4f113b").unwrap();
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
        assert!(answer.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
        assert_eq!(account.answer("Digest realm=\"x\", nonce=\"y\", algorithm=SHA-256", "GET", "/", "z"), None);
    }
}
