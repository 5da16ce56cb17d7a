//! Which machine this is, without telling its id: two machines under one `host` are noticed by it.

use std::{fs, path::Path};

use ring::hmac;

/// Stands for this program where systemd makes an id of a machine for one application.
const APPLICATION: u128 = 0x5c0e_7f3a_b2d9_4816_a7c1_e93d_604f_b825;

/// The first 12 hexadecimal digits of what `systemd-id128 machine-id --app-specific=` makes of the id at `path`
/// (`sd_id128_get_machine_app_specific` in src/libsystemd/sd-id128/sd-id128.c, systemd 252). machine-id(5) asks for the id
/// itself to be kept confidential. `None` where there is none.
pub fn hashed(path: &Path) -> Option<String> {
    hash(&fs::read_to_string(path).ok()?)
}

fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    let is_id = text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let id = u128::from_str_radix(text, 16).ok().filter(|_| is_id)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &id.to_be_bytes());
    let tag = hmac::sign(&key, &APPLICATION.to_be_bytes());
    let digits = tag
        .as_ref()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"));
    Some(digits.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_what_systemd_makes_and_nothing_else_is_an_id() {
        let id = "0123456789abcdef0123456789abcdef\n";
        assert_eq!(hash(id).as_deref(), Some("f7c5d8470e85"));
        for text in ["", "uninitialized\n", "+123456789abcdef0123456789abcdef"] {
            assert_eq!(hash(text), None, "{text}");
        }
    }
}
