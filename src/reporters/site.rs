//! What messages say about this installation.

use crate::config::checked::MasterConfig;

/// Names and addresses of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub title: String,
    pub title_url: String,
    /// `buildbotURL`; ends in a slash.
    pub url: String,
}

impl Site {
    /// What the configuration says.
    pub fn of(config: &MasterConfig) -> Site {
        Site {
            title: config.title.clone(),
            title_url: config.title_url.clone(),
            url: config.buildbot_url.clone(),
        }
    }

    /// The host that the URL names, for identifiers of messages.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        if host.is_empty() { "localhost" } else { host }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_urls() {
        for (url, host) in [
            ("https://ci.example.org/buildbot/", "ci.example.org"),
            ("http://localhost:8010/", "localhost"),
            ("http://me:pw@h:1/", "h"),
            ("", "localhost"),
        ] {
            let site = Site { title: String::new(), title_url: String::new(), url: url.to_owned() };
            assert_eq!(site.host(), host, "{url}");
        }
    }
}
