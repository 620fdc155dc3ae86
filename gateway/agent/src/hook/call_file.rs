//! A message to the dialplan: a call file in Asterisk's spool.
//!
//! Each line is made of what cannot leave it: a number of digits, base64, a name that was checked. The file is whole before the spool sees it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use audiospread_protocol::{PhoneNumber, Sha256Digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use camino::{Utf8Path, Utf8PathBuf};

use crate::shared::set_mode;

/// Writes a call file for a message and renames it into the spool. `spare` is a directory for it until then, where the spool's own `tmp` cannot be used.
pub(super) fn drop_into(
    outgoing: &Utf8Path,
    spare: &Utf8Path,
    from: &PhoneNumber,
    body: &str,
    id: Option<&str>,
    trunk: &str,
) -> io::Result<()> {
    let text = text(from, body, trunk);
    // The same message again has the same name.
    let seed = id.map_or_else(|| format!("{text}{:?}", std::time::SystemTime::now()), str::to_owned);
    let name = format!("audiospread-sms-{}.call", Sha256Digest::of(seed.as_bytes()));
    let of_the_spool = outgoing.parent().map(|spool| spool.join("tmp"));
    let written = of_the_spool
        .iter()
        .map(Utf8PathBuf::as_path)
        .chain([spare])
        .map(|directory| write(&directory.join(&name), &text))
        .reduce(Result::or)
        .unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))?;
    fs::rename(&written, outgoing.join(&name)).inspect_err(|_| {
        // It stays where nobody reads it, at worst.
        let _ = fs::remove_file(&written);
    })
}

fn write(path: &Utf8Path, text: &str) -> io::Result<Utf8PathBuf> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o660).open(path)?;
    file.write_all(text.as_bytes())?;
    set_mode(path, 0o660)?;
    Ok(path.to_owned())
}

fn text(from: &PhoneNumber, body: &str, trunk: &str) -> String {
    // Even an empty variable of the channel hides the dialplan's global one.
    let trunk = if trunk.is_empty() { String::new() } else { format!("Set: AS_SMS_TRUNK={trunk}\n") };
    format!(
        "Channel: Local/s@audiospread-sms-http\nApplication: NoOp\nMaxRetries: 0\nWaitTime: 30\n\
         Set: SMS_FROM={from}\nSet: SMS_BASE64={}\n{trunk}",
        BASE64_STANDARD.encode(body)
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_message_has_a_line_more_or_means_anything_to_a_dialplan(body in any::<String>()) {
            let text = text(&"+221775550109".parse().unwrap(), &body, "my-trunk");
            prop_assert_eq!(text.lines().count(), 7);
            let value = text.lines().find_map(|line| line.strip_prefix("Set: SMS_BASE64=")).unwrap();
            prop_assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)));
            prop_assert_eq!(BASE64_STANDARD.decode(value).unwrap(), body.into_bytes());
        }
    }

    #[test]
    fn without_a_trunk_of_the_hook_the_dialplans_own_is_not_hidden() {
        let text = |trunk| text(&"+221775550109".parse().unwrap(), "health", trunk);
        assert!(!text("").contains("AS_SMS_TRUNK"));
        assert!(text("my-trunk").ends_with("\nSet: AS_SMS_TRUNK=my-trunk\n"));
    }

    #[test]
    fn the_spool_sees_a_whole_file_once_for_one_id() {
        let outer = tempfile::tempdir().unwrap();
        let spool = Utf8PathBuf::from_path_buf(outer.path().to_owned()).unwrap();
        let (outgoing, spare) = (spool.join("outgoing"), spool.join("spare"));
        fs::create_dir(&outgoing).unwrap();
        fs::create_dir(&spare).unwrap();
        let drop = |id| drop_into(&outgoing, &spare, &"+221775550109".parse().unwrap(), "health", id, "t");
        for _ in 0..2 {
            drop(Some("42")).unwrap();
        }
        assert_eq!(fs::read_dir(&outgoing).unwrap().count(), 1);
        drop(None).unwrap();
        assert_eq!(fs::read_dir(&outgoing).unwrap().count(), 2);
        assert_eq!(fs::read_dir(&spare).unwrap().count(), 0);
    }
}
