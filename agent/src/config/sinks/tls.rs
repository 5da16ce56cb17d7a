//! Whom a sink believes: the system's authorities, a file of certificates, or one certificate alone.

use super::super::{
    ClientCertificate, Key, ServerUrl, Tls, Value, reader::Reader, rules::absolute, typed::Typed,
};

pub(super) fn read(reader: &mut Reader, section: &Key, url: &ServerUrl) -> Tls {
    let keys = [
        "ca_file",
        "pin_sha256",
        "client_cert_file",
        "client_key_file",
    ];
    let keys = keys.map(|name| section.child(name));
    let [ca_key, pin_key, certificate_key, key_key] = &keys;
    let first = keys.iter().find(|key| reader.has(key));
    let is_tls = matches!(url, ServerUrl::Tcp { tls: true, .. });
    if let Some(first) = first.filter(|_| !is_tls) {
        reader.complain(first, "is of no use without an https:// address".to_owned());
    }
    let ca_file = reader.optional(ca_key, absolute);
    let pin = reader.optional(pin_key, |_: &Pin| Ok(()));
    if ca_file.is_some() && pin.is_some() {
        let problem = "stands beside `ca_file`; with a pinned certificate no other is believed";
        reader.complain(pin_key, problem.to_owned());
    }
    let certificate_file = reader.optional(certificate_key, absolute);
    let key_file = reader.optional(key_key, absolute);
    let client = match (certificate_file, key_file) {
        (Some(certificate_file), Some(key_file)) => Some(ClientCertificate {
            certificate_file,
            key_file,
        }),
        (Some(_), None) => {
            reader.complain(
                certificate_key,
                "stands without `client_key_file`".to_owned(),
            );
            None
        }
        (None, Some(_)) => {
            reader.complain(key_key, "stands without `client_cert_file`".to_owned());
            None
        }
        (None, None) => None,
    };
    Tls {
        ca_file,
        pin: pin.map(|Pin(bytes)| bytes),
        client,
    }
}

/// SHA-256 of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it: hexadecimal digits, with or
/// without colons.
struct Pin([u8; 32]);

impl Typed for Pin {
    fn read(value: &Value) -> Result<Self, String> {
        let problem = || {
            format!(
                "is {value}; write the 64 hexadecimal digits that `openssl x509 -noout -fingerprint -sha256` prints"
            )
        };
        let text = String::read(value).map_err(|_untyped| problem())?;
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|char| *char != ':')
            .map(|char| char.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let digits = digits
            .filter(|digits| digits.len() == 64)
            .ok_or_else(problem)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
        }
        Ok(Self(bytes))
    }

    fn value(&self) -> Value {
        let digits: Vec<String> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        Value::Text(digits.join(":"))
    }
}
