//! What a master can ask a worker to do.
//!
//! Paths are as the step gave them: relative to the builder's directory on the worker, or absolute.
//! The encoder of a transport resolves them where that transport wants absolute paths.

/// One command for a worker. The names are those of Buildbot's worker commands.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Shell(Shell),
    MakeDirectory {
        dir: String,
    },
    /// Several at once: what a master asks for while it attaches a MessagePack worker.
    MakeDirectories {
        dirs: Vec<String>,
    },
    RemoveDirectory {
        dirs: Vec<String>,
        limits: Limits,
    },
    CopyDirectory {
        from: String,
        to: String,
        limits: Limits,
    },
    Stat {
        file: String,
    },
    Glob {
        path: String,
    },
    ListDirectory {
        dir: String,
    },
    RemoveFile {
        path: String,
    },
    /// The worker sends a file: [`UploadFileWrite`](crate::report::WorkerRequest), then its close.
    UploadFile {
        source: String,
        block: Block,
        /// Also send the file's times.
        keep_stamp: bool,
    },
    /// The worker sends a directory as a tar archive.
    UploadDirectory {
        source: String,
        block: Block,
        compress: Compression,
    },
    /// The worker fetches a file.
    DownloadFile {
        dest: String,
        block: Block,
        /// Permission bits of the new file.
        mode: Option<u32>,
    },
}

impl Command {
    /// The worker command's name, as Perspective Broker spells it.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Shell(_) => "shell",
            Command::MakeDirectory { .. } | Command::MakeDirectories { .. } => "mkdir",
            Command::RemoveDirectory { .. } => "rmdir",
            Command::CopyDirectory { .. } => "cpdir",
            Command::Stat { .. } => "stat",
            Command::Glob { .. } => "glob",
            Command::ListDirectory { .. } => "listdir",
            Command::RemoveFile { .. } => "rmfile",
            Command::UploadFile { .. } => "uploadFile",
            Command::UploadDirectory { .. } => "uploadDirectory",
            Command::DownloadFile { .. } => "downloadFile",
        }
    }
}

/// How a transfer is cut. Its path is relative to `workdir`, which is relative to the builder's
/// directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    pub workdir: String,
    /// Bytes; what exceeds it is cut off and the transfer fails.
    pub max_size: Option<u64>,
    /// Bytes per message; below 640 KiB, which is the longest string of Perspective Broker.
    pub size: u64,
}

/// How the archive of a directory is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Bzip2,
}

impl Compression {
    /// The value of the argument `compress`.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Compression::None => None,
            Compression::Gzip => Some("gz"),
            Compression::Bzip2 => Some("bz2"),
        }
    }

    /// The reverse of [`Compression::name`].
    pub fn from_name(name: Option<&str>) -> Option<Compression> {
        match name {
            None => Some(Compression::None),
            Some("gz") => Some(Compression::Gzip),
            Some("bz2") => Some(Compression::Bzip2),
            Some(_) => None,
        }
    }
}

/// Run a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Shell {
    /// Created when missing.
    pub workdir: String,
    pub command: CommandLine,
    /// `None` removes the variable.
    pub env: Vec<(String, Option<EnvValue>)>,
    pub want_stdout: bool,
    pub want_stderr: bool,
    pub limits: Limits,
    /// Kill after this many lines of output.
    pub max_lines: Option<u64>,
    /// Seconds between SIGTERM and `interrupt_signal`; `None` skips SIGTERM.
    pub sigterm_time: Option<f64>,
    /// Signal name without `SIG`; the stock default is `KILL`.
    pub interrupt_signal: Option<String>,
    pub initial_stdin: Option<String>,
    /// Log name → file to follow.
    pub logfiles: Vec<(String, LogFile)>,
    pub use_pty: bool,
}

/// Options that every command running a program shares.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Seconds without any output before the command is killed.
    pub timeout: Option<f64>,
    /// Seconds in total before the command is killed.
    pub max_time: Option<f64>,
    /// Print the whole environment into the log.
    pub log_environ: bool,
}

/// A string goes through the shell, a list is executed directly.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandLine {
    Text(String),
    Args(Vec<Arg>),
}

/// One word of a command line.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    Plain(String),
    /// Executed as `real`, shown as `shown`: keeps secrets out of headers.
    Obfuscated {
        real: String,
        shown: String,
    },
}

/// A list is joined with the worker's path separator.
#[derive(Debug, Clone, PartialEq)]
pub enum EnvValue {
    Text(String),
    Paths(Vec<String>),
}

/// A file whose growth is sent as a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFile {
    pub filename: String,
    /// Begin at the file's end as it is when the command starts.
    pub follow: bool,
}
