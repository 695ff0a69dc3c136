//! Where lines come from and where they go: a terminal with a line editor, or pipes. This file does
//! not know what the lines mean.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::{env, thread};

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor, ExternalPrinter};
use smol::channel::{self, Receiver, Sender};

use super::options::Format;
use super::show::{Colours, Detail};

/// What comes in.
#[derive(Debug)]
pub(super) enum Input {
    Line(String),
    End,
}

/// A terminal, or pipes.
pub(super) struct Terminal {
    pub(super) input: Receiver<Input>,
    pub(super) colours: Colours,
    pub(super) detail: Detail,
    /// Whether what is written goes to a terminal as it is.
    pub(super) is_shown: bool,
    screen: Screen,
}

enum Screen {
    Pipe,
    Edited {
        printer: Box<dyn ExternalPrinter + Send>,
        prompts: Sender<String>,
        /// Whether somebody may type.
        is_prompting: bool,
        _before: Before,
    },
}

impl Terminal {
    /// Takes over the terminal if this is one at both ends and people are to read it; else pipes.
    pub(super) fn open(format: Format) -> Self {
        let is_shown = io::stdout().is_terminal();
        let is_edited = format == Format::Lines && is_shown && io::stdin().is_terminal();
        let is_empty = |name: &str| env::var_os(name).is_none_or(|value| value.is_empty());
        let has_colours =
            is_shown && is_empty("NO_COLOR") && env::var_os("TERM") != Some("dumb".into());
        let colours = if has_colours { Colours::On } else { Colours::Off };
        // One at a time: whoever types faster than the server takes it waits.
        let (sender, input) = channel::bounded(1);
        let editor = is_edited.then(|| edit(sender.clone())).flatten();
        let (screen, detail) = if let Some(screen) = editor {
            (screen, Detail::Person)
        } else {
            spawn("input", move || read(&sender));
            (Screen::Pipe, Detail::Script)
        };
        Self { input, colours, detail, is_shown, screen }
    }

    /// Whether a person types.
    pub(super) fn is_edited(&self) -> bool {
        matches!(self.screen, Screen::Edited { .. })
    }

    /// Lets somebody type behind this prompt, if nobody can yet.
    pub(super) fn prompt(&mut self, prompt: &str) {
        if let Screen::Edited { prompts, is_prompting, .. } = &mut self.screen
            && !*is_prompting
        {
            // The editor takes one at a time; if it is gone, the input has ended.
            *is_prompting = prompts.try_send(prompt.to_owned()).is_ok();
        }
    }

    /// A line came: nobody can type until there is a prompt again.
    pub(super) fn taken(&mut self) {
        if let Screen::Edited { is_prompting, .. } = &mut self.screen {
            *is_prompting = false;
        }
    }

    /// Writes a line to standard output, above the one that is being typed.
    pub(super) fn print(&mut self, line: &str) -> io::Result<()> {
        match &mut self.screen {
            Screen::Pipe => {
                let mut out = io::stdout().lock();
                writeln!(out, "{line}").and_then(|()| out.flush())
            }
            Screen::Edited { printer, .. } => {
                printer.print(format!("{line}\n")).map_err(io::Error::other)
            }
        }
    }
}

/// Reads lines of a pipe.
fn read(input: &Sender<Input>) {
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line).into_owned();
        if input.send_blocking(Input::Line(line)).is_err() {
            return;
        }
    }
    let _nobody_asks = input.send_blocking(Input::End);
}

/// Starts the line editor; nothing, if the terminal cannot do what it needs.
fn edit(input: Sender<Input>) -> Option<Screen> {
    let before = Before::remember();
    let (prompts, prompted) = channel::bounded(1);
    let (tell, told) = channel::bounded(1);
    spawn("editor", move || {
        let editor = editor().and_then(|mut editor| {
            let printer = editor.create_external_printer()?;
            Ok((editor, printer))
        });
        let Ok((mut editor, printer)) = editor else { return };
        let printer: Box<dyn ExternalPrinter + Send> = Box::new(printer);
        if tell.send_blocking(printer).is_ok() {
            type_in(&mut editor, &prompted, &input);
        }
    });
    let printer = told.recv_blocking().ok()?;
    Some(Screen::Edited { printer, prompts, is_prompting: false, _before: before })
}

fn editor() -> rustyline::Result<Editor<(), MemHistory>> {
    // What is said in a chat is kept no longer than the chat: the history is in memory.
    let config = Config::builder().auto_add_history(true).bracketed_paste(false).build();
    let history = MemHistory::with_config(&config);
    Editor::with_history(config, history)
}

fn type_in(
    editor: &mut Editor<(), MemHistory>,
    prompted: &Receiver<String>,
    input: &Sender<Input>,
) {
    while let Ok(prompt) = prompted.recv_blocking() {
        let typed = match editor.readline(&prompt) {
            Ok(line) => Input::Line(line),
            // The terminal has another size.
            Err(ReadlineError::Signal(_)) => Input::Line(String::new()),
            Err(_) => Input::End,
        };
        let is_end = matches!(typed, Input::End);
        if input.send_blocking(typed).is_err() || is_end {
            return;
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.expect("the system gives a thread");
}

/// What the terminal was before, and is again at the end: the editor may be in the middle of a
/// line.
struct Before {
    #[cfg(unix)]
    modes: Option<rustix::termios::Termios>,
}

impl Before {
    #[cfg(unix)]
    fn remember() -> Self {
        Self { modes: rustix::termios::tcgetattr(io::stdin()).ok() }
    }

    #[cfg(not(unix))]
    fn remember() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Before {
    fn drop(&mut self) {
        if let Some(modes) = &self.modes {
            let now = rustix::termios::OptionalActions::Now;
            let _the_terminal_is_gone = rustix::termios::tcsetattr(io::stdin(), now, modes);
        }
    }
}
