//! The one set of steps that every pair of master and worker runs, written as `master.toml` has it.
//!
//! A stock master reads the very same text, see `stock_master.cfg`.

/// Steps: name, class, and options in TOML.
pub type Set = [(&'static str, &'static str, &'static str)];

/// Everything that can differ by the worker. Where a class has its own default that ends the build, it is
/// switched off for all of them.
pub const ALL: &Set = &[
    // What programs print.
    ("stdout", "ShellCommand", r#"command = "echo hello; echo; echo again""#),
    ("stderr", "ShellCommand", r#"command = "echo to the other >&2; echo to the one""#),
    ("only stderr", "ShellCommand", "command = \"echo a; echo b >&2\"\nwant_stdout = false"),
    ("only stdout", "ShellCommand", "command = \"echo a; echo b >&2\"\nwant_stderr = false"),
    ("unicode", "ShellCommand", r#"command = ["printf", "%s\n", "grüße ☃ 𝄞 e\u0301"]"#),
    ("odd bytes", "ShellCommand", r#"command = 'printf "a\377b\nc\303\n\342\230\n"'"#),
    ("line ends", "ShellCommand", r#"command = 'printf "a\r\nb\rc\n10%%\r20%%\r\nd\b\be\n"'"#),
    ("no final newline", "ShellCommand", r#"command = 'printf "one\ntwo"; printf "err" >&2'"#),
    ("long first line", "ShellCommand", r#"command = "head -c 4000 /dev/zero | tr '\\0' x; echo""#),
    (
        "overlong line",
        "ShellCommand",
        r#"command = "head -c 10000 /dev/zero | tr '\\0' y; echo; echo end""#,
    ),
    ("many lines", "ShellCommand", r#"command = ["seq", "5000"]"#),
    ("nothing", "ShellCommand", r#"command = ["true"]"#),
    // How they are called.
    (
        "words",
        "ShellCommand",
        r#"command = ["printf", "<%s>\n", "", "a b", "it's", "\"q\"", "$HOME", "*"]"#,
    ),
    ("nested", "ShellCommand", r#"command = ["echo", ["a", ["b", "c"]], "d"]"#),
    ("properties", "ShellCommand", r#"command = ["echo", "%(prop:branch:-none)s", "%(kw:x)s"]"#),
    (
        "own directory",
        "ShellCommand",
        "command = \"pwd; echo $PWD\"\nworkdir = \"some/where/else\"",
    ),
    (
        "input",
        "ShellCommand",
        "command = \"cat; echo; echo end\"\ninitialStdin = \"first\\nsecond\"",
    ),
    ("no input", "ShellCommand", r#"command = "cat; echo end""#),
    (
        "terminal",
        "ShellCommand",
        "command = \"test -t 0 && test -t 1 && test -t 2 && echo yes; echo err >&2\"\nusePTY = true",
    ),
    ("no terminal", "ShellCommand", r#"command = "test -t 0 || test -t 1 || echo none""#),
    (
        "no terminal with input",
        "ShellCommand",
        "command = \"cat; test -t 1 || echo none\"\nusePTY = true\ninitialStdin = \"in\\n\"",
    ),
    (
        "group",
        "ShellCommand",
        r#"command = 'test "$(ps -o pgid= -p $$ | tr -d " ")" = $$ && echo leader'"#,
    ),
    // Their environment.
    (
        "environment",
        "ShellCommand",
        r#"
command = 'echo "$GREETING|$LIST|$PYTHONPATH|$REUSED|${GONE-gone}"'
env = { GREETING = "hello $NAME", LIST = ["/a", "/b"], PYTHONPATH = "/p", REUSED = "<${HOUSE}><${NOBODY}>", GONE = false }"#,
    ),
    (
        "environment in the log",
        "ShellCommand",
        "command = \"true\"\nlogEnviron = true\nenv = { LAST = \"x\" }",
    ),
    // Their ends.
    ("exit code", "ShellCommand", r#"command = "exit 42""#),
    ("decoded code", "ShellCommand", "command = \"exit 42\"\ndecodeRC = { 0 = 0, 42 = 1 }"),
    ("decoded as skipped", "ShellCommand", "command = \"exit 3\"\ndecodeRC = { 0 = 0, 3 = 3 }"),
    ("killed", "ShellCommand", r#"command = "echo before; kill -9 $$""#),
    ("terminated", "ShellCommand", r#"command = "kill -15 $$""#),
    ("missing program", "ShellCommand", r#"command = ["/nonexistent/program", "x"]"#),
    ("missing in a shell", "ShellCommand", r#"command = "nonexistent-program""#),
    ("silence", "ShellCommand", "command = \"echo begun; exec sleep 600\"\ntimeout = 2"),
    ("too long", "ShellCommand", "command = \"echo begun; exec sleep 600\"\nmaxTime = 2"),
    (
        "too much",
        "ShellCommand",
        "command = 'printf \"1\\n2\\n3\\n4\\n\"; exec sleep 600'\nmax_lines = 3",
    ),
    (
        "asked to end",
        "ShellCommand",
        r#"
command = "trap 'exit 7' TERM; echo begun; sleep 600 & wait"
timeout = 2
sigtermTime = 20"#,
    ),
    (
        "made to end",
        "ShellCommand",
        r#"
command = "trap '' TERM; echo begun; exec sleep 600"
timeout = 2
sigtermTime = 1"#,
    ),
    (
        "another signal",
        "ShellCommand",
        "command = [\"sleep\", \"600\"]\nmaxTime = 2\ninterruptSignal = \"INT\"",
    ),
    // Files beside the output.
    (
        "log file",
        "ShellCommand",
        r#"
command = "echo out; printf 'one\ntwo\nthree' > new.log"
logfiles = { new = "new.log", never = "never.log" }"#,
    ),
    (
        "lazy log file",
        "ShellCommand",
        r#"
command = "echo lazy > lazy.log"
logfiles = { lazy = "lazy.log", never = "never.log" }
lazylogfiles = true"#,
    ),
    ("unchanged log file", "ShellCommand", "command = \"true\"\nlogfiles = { new = \"new.log\" }"),
    (
        "followed",
        "ShellCommand",
        r#"
command = "echo old > f.log; sleep 3; echo new >> f.log"
logfiles = { f = { filename = "f.log", follow = true } }"#,
    ),
    // Several commands.
    (
        "sequence",
        "ShellSequence",
        r#"
commands = [
    { command = ["echo", "one"], logname = "first" },
    { command = "echo two; exit 1", logname = "second", flunkOnFailure = false, warnOnFailure = true },
    { command = ["echo", "quiet"] },
    { command = "echo three", logname = "third" },
]"#,
    ),
    (
        "broken sequence",
        "ShellSequence",
        r#"
commands = [
    { command = "exit 4", logname = "first", haltOnFailure = true },
    { command = "echo never", logname = "second" },
]"#,
    ),
    // Properties.
    (
        "set property",
        "SetPropertyFromCommand",
        "command = \"echo ' a value '\"\nproperty = \"from_command\"",
    ),
    (
        "set properties",
        "SetPropertiesFromEnv",
        "variables = [\"HOUSE\", \"NOBODY\"]\nsource = \"there\"",
    ),
    (
        "use property",
        "ShellCommand",
        r#"command = ["echo", "%(prop:from_command)s", "%(prop:HOUSE)s"]"#,
    ),
    (
        "set properties at once",
        "SetProperties",
        "properties = { one = 1, two = \"%(prop:from_command)s\", three = [true, \"x\"] }",
    ),
    // What compilers print.
    (
        "compiled",
        "Compile",
        r#"command = ["printf", "a.c:1: warning: one\nfine\nb.c:2: Warning: two\n"]"#,
    ),
    ("too many warnings", "Test", "command = \"echo warning: x >&2\"\nmaxWarnCount = 0"),
    ("no warnings", "WarningCountingShellCommand", r#"command = ["echo", "no warnings"]"#),
    (
        "failed with warnings",
        "WarningCountingShellCommand",
        r#"command = "echo 'warning: x'; exit 2""#,
    ),
    (
        "write suppressions",
        "ShellCommand",
        r#"
command = "printf 'a.c:1: warning: unused\nmake[1]: Entering directory `/top/sub`\na.c:2: warning: unused\na.c:3: warning: old\nz.c:5: warning: old\nmake[1]: Leaving directory\nz.c:7: warning: old\n' > warnings.txt; printf '# comment\n\n.*a.c : unused\nz.c : old : 7\n' > rules.txt; cat rules.txt"
workdir = "suppressed""#,
    ),
    (
        "suppressed",
        "WarningCountingShellCommand",
        r#"
command = "cat warnings.txt"
workdir = "suppressed"
warningPattern = "(.*?):(\\d+): warning: (.*)"
warningExtractor = "warnExtractFromRegexpGroups"
suppressionList = [["/top/sub/a.*", "unused"], ["z", "old", 5, 6]]"#,
    ),
    (
        "suppressed by a file",
        "WarningCountingShellCommand",
        r#"
command = "cat warnings.txt"
workdir = "suppressed"
warningPattern = "(.*?):(\\d+): warning: (.*)"
warningExtractor = "warnExtractFromRegexpGroups"
suppressionFile = "rules.txt""#,
    ),
    (
        "suppressed by nothing",
        "WarningCountingShellCommand",
        "command = \"true\"\nworkdir = \"suppressed\"\nsuppressionFile = \"none.txt\"",
    ),
    // Presets.
    (
        "cmake",
        "CMake",
        r#"
cmake = "echo"
generator = "Ninja"
path = ".."
options = ["-Wdev", "%(prop:from_command)s"]
definitions = { A = "x", B = true, C = 3 }"#,
    ),
    (
        "documentation",
        "Sphinx",
        r#"
sphinx = "echo"
sphinx_builddir = "build succeeded"
sphinx_sourcedir = "a WARNING and an ERROR"
tags = ["t"]
defines = { z = "1", a = true }
mode = "full"
strict_warnings = true"#,
    ),
    ("packages", "RpmBuild", "specfile = \"a.spec\"\ntopdir = \"/t\"\ndefine = { m = 1 }"),
    ("size", "TreeSize", r#"command = ["echo", "12\t."]"#),
    // Without a command.
    ("holds", "Assert", "check = true"),
    ("holds not", "Assert", "check = false"),
    (
        "logged",
        "LogRenderable",
        r#"content = { b = ["%(prop:from_command)s", 1], a = "a rather long text, which goes on and on and on, until it must be cut" }"#,
    ),
    // Directories and files of the worker.
    ("make directory", "MakeDirectory", r#"dir = "build/tree/inner""#),
    ("make it again", "MakeDirectory", r#"dir = "build/tree/inner""#),
    ("make on a file", "MakeDirectory", r#"dir = "build/new.log/x""#),
    (
        "fill",
        "ShellCommand",
        r#"
command = "cd tree; echo a > a.txt; echo b > inner/b.txt; chmod 750 inner; chmod 640 a.txt; ln -s a.txt link; mkdir empty; seq 20000 > numbers; printf '\\000\\377' > binary; touch -d @1000000000 a.txt; cp a.txt run.sh; chmod 755 run.sh""#,
    ),
    ("copy directory", "CopyDirectory", "src = \"build/tree\"\ndest = \"copies/deep/tree\""),
    ("copy nothing", "CopyDirectory", "src = \"build/nothing\"\ndest = \"copies/nothing\""),
    ("exists", "FileExists", r#"file = "build/tree/a.txt""#),
    ("exists not", "FileExists", r#"file = "build/tree/z.txt""#),
    ("is a directory", "FileExists", r#"file = "build/tree""#),
    ("see copy", "ShellCommand", "command = \"find deep | sort\"\nworkdir = \"copies\""),
    ("remove directory", "RemoveDirectory", r#"dir = "copies/deep/tree/inner""#),
    ("remove several", "RemoveDirectory", r#"dir = ["copies/deep/tree/empty", "copies/none"]"#),
    ("remove nothing", "RemoveDirectory", r#"dir = "copies/none""#),
    // From the master.
    (
        "string",
        "StringDownload",
        "s = \"grüße\\nto %(prop:from_command)s\"\nworkerdest = \"down/string.txt\"",
    ),
    ("empty string", "StringDownload", "s = \"\"\nworkerdest = \"down/empty.txt\"\nmode = 0o600"),
    (
        "large string",
        "StringDownload",
        "s = \"@LARGE@\"\nworkerdest = \"down/large.txt\"\nblocksize = 1000",
    ),
    (
        "truncated string",
        "StringDownload",
        "s = \"0123456789\"\nworkerdest = \"down/short.txt\"\nmaxsize = 4",
    ),
    (
        "json",
        "JSONStringDownload",
        "o = { a = [1, 2.5, true], b = { c = \"ü\" } }\nworkerdest = \"down/o.json\"",
    ),
    ("json properties", "JSONPropertiesDownload", r#"workerdest = "down/properties.json""#),
    (
        "file",
        "FileDownload",
        "mastersrc = \"steps.toml\"\nworkerdest = \"down/steps.toml\"\nmode = 0o750",
    ),
    (
        "missing on the master",
        "FileDownload",
        "mastersrc = \"nothing.txt\"\nworkerdest = \"down/nothing.txt\"",
    ),
    ("onto a directory", "StringDownload", "s = \"x\"\nworkerdest = \"tree\""),
    (
        "see downloads",
        "ShellCommand",
        r#"command = "cd down; wc -c *.txt; stat -c '%a %n' *; cat string.txt; cat o.json""#,
    ),
    // To the master.
    (
        "upload",
        "FileUpload",
        r#"workersrc = "tree/binary"
masterdest = "up/%(prop:buildername)s/binary""#,
    ),
    (
        "upload with mode",
        "FileUpload",
        r#"workersrc = "tree/run.sh"
masterdest = "up/%(prop:buildername)s/deep/er/run.sh"
mode = 0o750
url = "http://example.org/run""#,
    ),
    (
        "upload with stamp",
        "FileUpload",
        r#"workersrc = "tree/a.txt"
masterdest = "up/%(prop:buildername)s/stamped"
keepstamp = true"#,
    ),
    (
        "upload too much",
        "FileUpload",
        r#"workersrc = "tree/numbers"
masterdest = "up/%(prop:buildername)s/large"
maxsize = 5000
blocksize = 1000"#,
    ),
    (
        "upload much",
        "FileUpload",
        r#"workersrc = "tree/numbers"
masterdest = "up/%(prop:buildername)s/much"
maxsize = 5000000
blocksize = 777"#,
    ),
    (
        "upload nothing",
        "FileUpload",
        r#"workersrc = "tree/nothing"
masterdest = "up/%(prop:buildername)s/nothing""#,
    ),
    (
        "upload a directory",
        "DirectoryUpload",
        r#"workersrc = "tree"
masterdest = "up/%(prop:buildername)s/plain""#,
    ),
    (
        "upload it with gz",
        "DirectoryUpload",
        r#"workersrc = "tree"
masterdest = "up/%(prop:buildername)s/gz"
compress = "gz""#,
    ),
    (
        "upload it with bz2",
        "DirectoryUpload",
        r#"workersrc = "tree"
masterdest = "up/%(prop:buildername)s/bz2"
compress = "bz2""#,
    ),
    (
        "upload no directory",
        "DirectoryUpload",
        r#"workersrc = "no-tree"
masterdest = "up/%(prop:buildername)s/none""#,
    ),
    (
        "upload several",
        "MultipleFileUpload",
        r#"workersrcs = ["tree/a.txt", "tree/inner"]
masterdest = "up/%(prop:buildername)s/several"
mode = 0o600"#,
    ),
    (
        "upload what matches",
        "MultipleFileUpload",
        r#"workersrcs = ["tree/**/*.txt"]
glob = true
masterdest = "up/%(prop:buildername)s/matches""#,
    ),
    (
        "nothing matches",
        "MultipleFileUpload",
        r#"workersrcs = ["tree/*.none"]
glob = true
masterdest = "up/%(prop:buildername)s/matches""#,
    ),
    (
        "upload one that is missing",
        "MultipleFileUpload",
        r#"workersrcs = ["tree/none"]
masterdest = "up/%(prop:buildername)s/several""#,
    ),
    // Source.
    (
        "checkout",
        "Git",
        "repourl = \"@REPOSITORY@\"\nmode = \"full\"\nmethod = \"clobber\"\nworkdir = \"source\"\nbranch = \"main\"",
    ),
    (
        "checkout again",
        "Git",
        "doStepIf = true\nrepourl = \"@REPOSITORY@\"\nmode = \"full\"\nmethod = \"fresh\"\nworkdir = \"source\"\nbranch = \"main\"",
    ),
    (
        "incremental",
        "Git",
        "doStepIf = true\nrepourl = \"@REPOSITORY@\"\nworkdir = \"source\"\nbranch = \"main\"",
    ),
    (
        "no repository",
        "Git",
        "repourl = \"@REPOSITORY@/none\"\nworkdir = \"source2\"\nbranch = \"main\"",
    ),
];

/// Source steps: slow programs, for which it does not matter who runs them.
pub const SOURCES: &Set = &[
    (
        "with a key",
        "GitHub",
        r#"repourl = "@REPOSITORY@"
workdir = "keyed"
branch = "main"
getDescription = { always = true }
sshPrivateKey = "verysecretkey"
sshHostKey = "ssh-ed25519 AAAA""#,
    ),
    (
        "with a password",
        "Git",
        r#"repourl = "@REPOSITORY@"
mode = "full"
method = "copy"
workdir = "deep/copied"
branch = "main"
git_credentials = { credentials = ["url=http://example.org\nusername=me\npassword=verysecret\n"], use_http_path = true }"#,
    ),
    (
        "svn",
        "SVN",
        "repourl = \"@SVN@\"\nmode = \"full\"\nmethod = \"clobber\"\nworkdir = \"svn\"\n\
         username = \"me\"\npassword = \"verysecret\"",
    ),
    (
        "svn litter",
        "ShellCommand",
        "command = \"touch litter kept; rm file; echo x >> other\"\nworkdir = \"svn\"",
    ),
    (
        "svn fresh",
        "SVN",
        "doStepIf = true\nrepourl = \"@SVN@/\"\nmode = \"full\"\nworkdir = \"svn\"\n\
         keep_on_purge = [\"kept\"]\nextra_args = [\"--config-option\", \"config:miscellany:use-commit-times=no\"]",
    ),
    (
        "svn incremental",
        "SVN",
        "doStepIf = true\nrepourl = \"@SVN@\"\nworkdir = \"svn\"\npreferLastChangedRev = true",
    ),
    (
        "svn export",
        "SVN",
        "repourl = \"@SVN@\"\nmode = \"full\"\nmethod = \"export\"\nworkdir = \"exported\"",
    ),
    (
        "svn copy",
        "SVN",
        "repourl = \"@SVN@\"\nmode = \"full\"\nmethod = \"copy\"\nworkdir = \"svn-copy\"",
    ),
    ("no svn", "SVN", "repourl = \"@SVN@/none\"\nworkdir = \"svn2\""),
    (
        "hg",
        "Mercurial",
        "repourl = \"@HG@\"\nbranchType = \"inrepo\"\nmode = \"full\"\n\
         method = \"clobber\"\nworkdir = \"hg\"",
    ),
    (
        "hg fresh",
        "Mercurial",
        "doStepIf = true\nrepourl = \"@HG@\"\nbranchType = \"inrepo\"\nmode = \"full\"\n\
         workdir = \"hg\"",
    ),
    ("hg incremental", "Mercurial", "doStepIf = true\nrepourl = \"@HG@\"\nworkdir = \"hg\""),
    ("hg clean", "Mercurial", "repourl = \"@HG@\"\nmode = \"full\"\nworkdir = \"hg2\""),
    ("no hg", "Mercurial", "repourl = \"@HG@/none\"\nworkdir = \"hg3\""),
    ("see svn", "ShellCommand", "command = \"svn status; ls -A\"\nworkdir = \"svn\""),
    ("see no keys", "ShellCommand", "command = \"ls -A ../.. | grep '[.]buildbot$' || echo none\""),
];

/// Where the steps find what they check out.
pub struct Repositories<'a> {
    pub git: &'a str,
    pub svn: &'a str,
    pub hg: &'a str,
}

/// All steps as `[factories.set]`. The environment of the worker is in the log of those steps only
/// that ask for it, so that other differences stand out.
pub fn factory(set: &Set, repositories: &Repositories<'_>) -> String {
    let mut text = String::new();
    for (name, class, options) in set {
        let options = options.trim_start();
        text.push_str(&format!(
            "[[factories.set.steps]]\ntype = {class:?}\nname = {name:?}\nhaltOnFailure = false\n"
        ));
        let quiet = [
            "ShellCommand",
            "ShellSequence",
            "SetPropertyFromCommand",
            "Git",
            "GitHub",
            "SVN",
            "Mercurial",
            "WarningCountingShellCommand",
            "Compile",
            "Test",
            "CMake",
            "Sphinx",
            "RpmBuild",
            "RpmLint",
            "TreeSize",
        ];
        if quiet.contains(class) && !options.contains("logEnviron") {
            text.push_str("logEnviron = false\n");
        }
        text.push_str(options);
        text.push('\n');
    }
    let large: String = (0..20_000).map(|n| format!("{n} ")).collect();
    text.replace("@REPOSITORY@", repositories.git)
        .replace("@SVN@", repositories.svn)
        .replace("@HG@", repositories.hg)
        .replace("@LARGE@", &large)
}
