//! How a snippet of each language becomes a program that is given a login and prints the action.

use std::path::Path;
use std::process::Command;

/// A language whose snippet is executed.
#[derive(Debug)]
pub(super) struct Language {
    /// What stands behind the backticks.
    pub(super) fence: &'static str,
    /// Makes the program, in a directory of its own.
    pub(super) prepare: fn(&Path, &str),
    /// Runs it there; the login is its last argument.
    pub(super) command: &'static [&'static str],
}

/// In the order of the page.
pub(super) const NODE: Language = Language { fence: "js", prepare: prepare_node, command: &["node", "program.mjs"] };
pub(super) const PYTHON: Language =
    Language { fence: "python", prepare: prepare_python, command: &["python3", "program.py"] };
pub(super) const JAVA: Language =
    Language { fence: "java", prepare: prepare_java, command: &["java", "-XX:TieredStopAtLevel=1", "Program"] };
pub(super) const RUST: Language = Language { fence: "rust", prepare: prepare_rust, command: &["./program"] };

/// Their toolchains are no part of any machine that runs these tests.
pub(super) const NOT_EXECUTED: [&str; 3] = ["go", "csharp", "php"];

fn prepare_node(directory: &Path, block: &str) {
    let program = "import { score } from './askance.mjs';\n\
                   console.log((await score(JSON.parse(process.argv[2]))).action);\n";
    write(directory, &[("askance.mjs", block), ("program.mjs", program)]);
}

fn prepare_python(directory: &Path, block: &str) {
    let program = "import json, sys\nfrom askance import score\nprint(score(json.loads(sys.argv[1]))['action'])\n";
    write(directory, &[("askance.py", block), ("program.py", program)]);
}

fn prepare_java(directory: &Path, block: &str) {
    let class = "final class Askance {";
    let program = "final class Program {
    public static void main(String[] arguments) {
        var verdict = Askance.score(arguments[0]).orElse(\"{\\\"action\\\":\\\"challenge\\\"}\");
        System.out.println(verdict.contains(\"\\\"action\\\":\\\"allow\\\"\") ? \"allow\" : \"challenge\");
    }
}

";
    assert_eq!(block.matches(class).count(), 1, "the class of the snippet");
    write(directory, &[("Program.java", &block.replace(class, &format!("{program}{class}")))]);
    compile(directory, &["javac", "-Xlint:all", "-Werror", "Program.java"]);
}

fn prepare_rust(directory: &Path, block: &str) {
    let program = r##"
fn main() {
    let variable = |name| std::env::var(name).expect("the test sets it");
    let address = variable("ASKANCE_URL").trim_start_matches("http://").parse().expect("an address");
    let login = std::env::args().nth(1).expect("a login");
    let verdict = score(address, Some(&variable("ASKANCE_KEY")), &login);
    let is_allowed = verdict.is_some_and(|verdict| verdict.contains(r#""action":"allow""#));
    println!("{}", if is_allowed { "allow" } else { "challenge" });
}
"##;
    write(directory, &[("program.rs", &format!("{block}{program}"))]);
    compile(directory, &["rustc", "--edition", "2024", "-D", "warnings", "program.rs"]);
}

fn compile(directory: &Path, command: &[&str]) {
    let [program, arguments @ ..] = command else { panic!("a command has a program") };
    let compiled = Command::new(program).args(arguments).current_dir(directory).output();
    let compiled =
        compiled.unwrap_or_else(|error| panic!("{program} is not there ({error}); scripts/test installs it"));
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}

fn write(directory: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
}
