//! The `Authorization: Basic` header of a worker's login.
//!
//! Only the text form: comparing passwords (in constant time) is the caller's business.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Why a header cannot be read. None of the texts repeats the header: it holds a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BasicAuthError {
    #[error("the Authorization header does not start with 'Basic'")]
    NotBasic,
    #[error("the credentials of the Authorization header are not valid base64")]
    NotBase64,
    #[error("the credentials of the Authorization header are not valid UTF-8")]
    NotUtf8,
    #[error("the credentials of the Authorization header have no colon")]
    NoColon,
    #[error("a worker name must not contain a colon")]
    ColonInName,
}

/// The header's value for a login. The name must not contain `:`, the password may.
pub fn format(name: &str, password: &str) -> Result<String, BasicAuthError> {
    if name.contains(':') {
        return Err(BasicAuthError::ColonInName);
    }
    Ok(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
}

/// Name and password of a header's value.
pub fn parse(header: &str) -> Result<(String, String), BasicAuthError> {
    let encoded = header.strip_prefix("Basic").ok_or(BasicAuthError::NotBasic)?;
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| BasicAuthError::NotBase64)?;
    let text = String::from_utf8(bytes).map_err(|_| BasicAuthError::NotUtf8)?;
    let (name, password) = text.split_once(':').ok_or(BasicAuthError::NoColon)?;
    Ok((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_recorded_login() {
        assert_eq!(format("w-ws", "sekret").as_deref(), Ok("Basic dy13czpzZWtyZXQ="));
        assert_eq!(parse("Basic dy13czpzZWtyZXQ="), Ok(("w-ws".into(), "sekret".into())));
    }

    #[test]
    fn a_password_may_hold_colons_and_any_letter() {
        let header = format("w", "a:b:ü").expect("valid name");
        assert_eq!(parse(&header), Ok(("w".into(), "a:b:ü".into())));
        assert_eq!(format("a:b", "x"), Err(BasicAuthError::ColonInName));
    }

    #[test]
    fn each_broken_header_says_what_is_wrong() {
        assert_eq!(parse("Bearer x"), Err(BasicAuthError::NotBasic));
        assert_eq!(parse("Basic ???"), Err(BasicAuthError::NotBase64));
        assert_eq!(parse("Basic /w=="), Err(BasicAuthError::NotUtf8));
        assert_eq!(parse("Basic bm9jb2xvbg=="), Err(BasicAuthError::NoColon));
    }
}
