//! Debian's slapd, as a process of its own in a directory of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::programs::free_port;

/// The longest that it may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

const ENTRIES: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=open,dc=example,dc=org
objectClass: organizationalUnit
ou: open

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=anna,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: anna
cn: Anna Berg
sn: Berg
mail: anna@example.org
mail: other@example.org

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Bob

dn: uid=carl,ou=open,dc=example,dc=org
objectClass: inetOrgPerson
uid: carl
cn: Carl (Charly) *
sn: Carl
mail: carl@example.org

dn: uid=dora,ou=open,dc=example,dc=org
objectClass: inetOrgPerson
uid: dora
cn: Twin
sn: Dora
mail: dora@example.org

dn: uid=emil,ou=open,dc=example,dc=org
objectClass: inetOrgPerson
uid: emil
cn: Twin
sn: Emil
mail: no address
";

/// A directory server. It ends when this is dropped.
pub struct Slapd {
    process: Child,
    dir: TempDir,
    pub port: u16,
    pub tls_port: u16,
}

impl Slapd {
    /// Starts it with some people: `ou=open` is for everybody, the rest only for who logs in as
    /// `cn=admin,dc=example,dc=org` with `sesame`.
    pub async fn start() -> Slapd {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("data")).unwrap();
        certificates(dir.path());
        std::fs::write(at("slapd.conf"), config(dir.path())).unwrap();
        std::fs::write(at("entries.ldif"), ENTRIES).unwrap();
        let added = program("slapadd")
            .arg("-f")
            .arg(at("slapd.conf"))
            .arg("-l")
            .arg(at("entries.ldif"))
            .output()
            .expect("slapadd runs; `make setup` installs it");
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let (port, tls_port) = (free_port(), free_port());
        let process = program("slapd")
            // Stays in the foreground.
            .args(["-d", "0", "-f"])
            .arg(at("slapd.conf"))
            .arg("-h")
            .arg(format!("ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("slapd runs");
        let slapd = Slapd { process, dir, port, tls_port };
        slapd.listens().await;
        slapd
    }

    /// The authority of its certificate, which is for `localhost`.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    async fn listens(&self) {
        let begun = Instant::now();
        for port in [self.port, self.tls_port] {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                assert!(begun.elapsed() < PATIENCE, "slapd does not listen");
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Debian has its programs where users do not look.
fn program(name: &str) -> Command {
    let debian = Path::new("/usr/sbin").join(name);
    Command::new(if debian.exists() { debian } else { name.into() })
}

fn config(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "include /etc/ldap/schema/core.schema\n\
         include /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n\
         modulepath /usr/lib/ldap\n\
         moduleload back_mdb\n\
         pidfile {dir}/slapd.pid\n\
         TLSCertificateFile {dir}/server.crt\n\
         TLSCertificateKeyFile {dir}/server.key\n\
         database mdb\n\
         suffix dc=example,dc=org\n\
         rootdn cn=admin,dc=example,dc=org\n\
         rootpw sesame\n\
         directory {dir}/data\n\
         access to dn.subtree=ou=open,dc=example,dc=org by * read\n\
         access to * by anonymous auth\n"
    )
}

fn certificates(dir: &Path) {
    let key = || KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    // Of the same name as its authority it would count as signed by itself.
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    leaf.use_authority_key_identifier_extension = true;
    let own = key();
    let certificate = leaf.signed_by(&own, &authority).expect("a certificate");
    for (name, text) in [
        ("server.crt", certificate.pem()),
        ("server.key", own.serialize_pem()),
        ("ca.pem", authority.pem()),
    ] {
        let mut file = std::fs::File::create(dir.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}
