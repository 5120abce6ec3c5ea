//! Certificates, made by the `openssl` command.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Under which names a server of these tests is called.
pub(crate) const LOCALHOST: &str = "DNS:localhost,IP:127.0.0.1";

const P256: &str = "ec -pkeyopt ec_paramgen_curve:P-256";

const EXPIRED: &str = "20200201000000Z";
const VALID: &str = "20991231235959Z";

/// Who signs. Its files are in the directory of the test.
#[derive(Debug)]
pub(crate) struct Authority {
    directory: PathBuf,
    pub(crate) cert: PathBuf,
    key: PathBuf,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let file = |extension: &str| directory.join(format!("{name}.{extension}"));
        let authority = Self { directory: directory.to_owned(), cert: file("crt"), key: file("key") };
        let database = authority.file(name, "index");
        std::fs::write(&database, "").unwrap();
        let config = format!(
            "[req]\ndistinguished_name=dn\nx509_extensions=authority\nprompt=no\n[dn]\nCN={name}\n\
             [authority]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
             [ca]\ndefault_ca=own\n[own]\ndatabase={}\nnew_certs_dir={}\nrand_serial=yes\ndefault_md=sha256\n\
             unique_subject=no\npolicy=any\n[any]\ncommonName=supplied\n",
            database.display(),
            directory.display(),
        );
        let config_file = file("cnf");
        std::fs::write(&config_file, config).unwrap();
        openssl(&format!(
            "req -x509 -newkey {P256} -nodes -days 30 -config {} -keyout {} -out {}",
            config_file.display(),
            authority.key.display(),
            authority.cert.display()
        ));
        authority
    }

    /// A certificate for both sides, with these subject alternative names (`DNS:…`, `URI:…`, `IP:…`).
    pub(crate) fn issue(&self, name: &str, names: &str) -> Pair {
        self.issue_with_key(name, names, P256)
    }

    /// The same, with a key of a kind that `openssl req -newkey` knows.
    pub(crate) fn issue_with_key(&self, name: &str, names: &str, kind: &str) -> Pair {
        self.sign(name, VALID, kind, &format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n"))
    }

    /// One without any subject alternative name.
    pub(crate) fn issue_nameless(&self, name: &str) -> Pair {
        self.sign(name, VALID, P256, "basicConstraints=CA:FALSE\n")
    }

    pub(crate) fn issue_expired(&self, name: &str, names: &str) -> Pair {
        self.sign(name, EXPIRED, P256, &format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n"))
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let below = Self::new(&self.directory, name);
        let Pair { cert, key } = self.sign(name, VALID, P256, "basicConstraints=critical,CA:TRUE\n");
        Self { cert, key, ..below }
    }

    fn sign(&self, name: &str, end: &str, kind: &str, extensions: &str) -> Pair {
        let pair = Pair { cert: self.file(name, "crt"), key: self.file(name, "key") };
        let (request, extensions_file) = (self.file(name, "csr"), self.file(name, "ext"));
        std::fs::write(&extensions_file, extensions).unwrap();
        openssl(&format!(
            "req -new -newkey {kind} -nodes -subj /CN={name} -config {} -keyout {} -out {}",
            self.cert.with_extension("cnf").display(),
            pair.key.display(),
            request.display()
        ));
        openssl(&format!(
            "ca -batch -notext -startdate 20200101000000Z -enddate {end} -config {} -cert {} -keyfile {} -in {} -out {} \
             -extfile {}",
            self.cert.with_extension("cnf").display(),
            self.cert.display(),
            self.key.display(),
            request.display(),
            pair.cert.display(),
            extensions_file.display()
        ));
        pair
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.directory.join(format!("{name}.{extension}"))
    }
}

/// Runs `openssl`; its arguments are apart by blanks, which no path of a temporary directory holds.
pub(crate) fn openssl(arguments: &str) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).output().expect("openssl is installed");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
