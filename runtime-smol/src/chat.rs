//! The terminal client: the subcommand `chat`. This file carries out what the
//! client wants, and does not know what the frames mean.

mod client;
mod command;
mod frame;
mod line;
mod link;
mod news;
mod options;
mod presence;
mod printable;
mod request;
mod show;
mod terminal;

use std::process::ExitCode;
use std::{env, fs, mem};

use clap::ArgMatches;
use smol::future;

use crate::clock::{self, Clock};
use client::{Action, Client, End, Event};
use link::{Link, Sign};
use news::News;
use options::{Format, Options, TOKEN};
use printable::{one_line, one_line_for_a_terminal};
use show::Painter;
use terminal::{Input, Terminal};

/// The words of the subcommand.
pub fn command() -> clap::Command {
    options::command()
}

/// Chats until the input ends, or the server does not want any more.
pub fn run(words: &ArgMatches) -> ExitCode {
    let options = match Options::read(words) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let mut chat = Chat::new(options);
    let end = smol::block_on(chat.run());
    let is_person = chat.terminal.is_edited();
    // A terminal is what it was before anything more is written to it.
    drop(chat);
    match end {
        End::Well => ExitCode::SUCCESS,
        // Who reads it while it happens needs no other sign.
        End::Refused(_) if is_person => ExitCode::SUCCESS,
        End::Refused(_) => ExitCode::FAILURE,
        End::Badly(why) => {
            eprintln!("{}", printable::printable(&why));
            ExitCode::FAILURE
        }
    }
}

/// A client, and everything that it acts on.
struct Chat {
    options: Options,
    clock: Clock,
    client: Client,
    link: Link,
    terminal: Terminal,
    painter: Painter,
}

/// What happens in the world.
enum Happening {
    Sign(Sign),
    Input(Input),
    Tick,
}

impl Chat {
    fn new(options: Options) -> Self {
        let terminal = Terminal::open(options.format);
        Self {
            client: Client::new(options.wish.clone(), fastrand::u64(..)),
            clock: Clock::start(),
            link: Link::None,
            painter: Painter::new(terminal.colours, terminal.detail),
            terminal,
            options,
        }
    }

    async fn run(&mut self) -> End {
        let mut happening = Happening::Tick;
        loop {
            if let Err(end) = self.take(happening).await {
                return end;
            }
            if self.client.is_settled() && self.client.takes_more() {
                let room = self.client.current().map(printable::printable).unwrap_or_default();
                self.terminal.prompt(&format!("{room}> "));
            }
            happening = self.next().await;
        }
    }

    /// Waits until something happens.
    async fn next(&mut self) -> Happening {
        let deadline = self.client.next_deadline();
        let tick = async {
            clock::timer(self.clock, deadline).await;
            Happening::Tick
        };
        let input = async {
            if !self.client.takes_more() {
                future::pending::<()>().await;
            }
            Happening::Input(self.terminal.input.recv().await.unwrap_or(Input::End))
        };
        let sign = async { Happening::Sign(self.link.next().await) };
        future::or(sign, future::or(tick, input)).await
    }

    /// Hands to the client what happens, and carries out what it wants.
    async fn take(&mut self, happening: Happening) -> Result<(), End> {
        let mut actions = Vec::new();
        match happening {
            Happening::Tick => self.hand(Event::Tick, &mut actions),
            Happening::Sign(sign) => self.sign(&sign, &mut actions)?,
            Happening::Input(Input::Line(line)) => {
                self.terminal.taken();
                self.hand(Event::Typed(&line), &mut actions);
            }
            Happening::Input(Input::End) => self.hand(Event::EndOfInput, &mut actions),
        }
        while !actions.is_empty() {
            for action in mem::take(&mut actions) {
                self.carry_out(action, &mut actions).await?;
            }
        }
        Ok(())
    }

    fn hand(&mut self, event: Event<'_>, actions: &mut Vec<Action>) {
        self.client.handle(self.clock.now(), event, actions);
    }

    fn sign(&mut self, sign: &Sign, actions: &mut Vec<Action>) -> Result<(), End> {
        let event = match sign {
            Sign::Open | Sign::Heard => Event::Heard,
            Sign::Frame(text) => {
                self.pass_on(text)?;
                Event::Frame(text)
            }
            Sign::Closed { code, reason } => Event::Closed { code: *code, reason },
            Sign::Unreachable { why, fault } => Event::Unreachable { why, fault: *fault },
        };
        self.hand(event, actions);
        Ok(())
    }

    /// Does what the client wants, and adds what follows from that.
    async fn carry_out(&mut self, action: Action, actions: &mut Vec<Action>) -> Result<(), End> {
        let sent = match action {
            Action::Connect(query) => {
                let token = self.token()?;
                let url = self.options.address.with(&query);
                self.link = Link::open(&self.options.address.base, &url, token.as_deref());
                self.hand(Event::Token(token), actions);
                Ok(())
            }
            Action::Send(text) => self.link.send(text).await,
            Action::Ping => self.link.ping().await,
            Action::HangUp => {
                self.link = Link::None;
                Ok(())
            }
            Action::AskForToken => {
                let token = self.token()?;
                self.hand(Event::Token(token), actions);
                Ok(())
            }
            Action::Tell(news) => return self.tell(&news),
            Action::End(end) => return Err(end),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(sign) => self.sign(&sign, actions),
        }
    }

    /// The token, as it is in its file now.
    fn token(&self) -> Result<Option<String>, End> {
        let token = match &self.options.token_file {
            None => env::var(TOKEN).unwrap_or_default(),
            Some(file) => fs::read_to_string(file)
                .map_err(|error| End::Badly(format!("--token-file {}: {error}", file.display())))?,
        };
        let token = token.trim();
        Ok((!token.is_empty()).then(|| token.to_owned()))
    }

    /// A frame goes out as it came, if that is wanted.
    fn pass_on(&mut self, frame: &str) -> Result<(), End> {
        match self.options.format {
            Format::Lines => Ok(()),
            Format::Frames if self.terminal.is_shown => self.print(&one_line_for_a_terminal(frame)),
            Format::Frames => self.print(&one_line(frame)),
        }
    }

    fn tell(&mut self, news: &News) -> Result<(), End> {
        let lines = self.painter.lines(news);
        match self.options.format {
            Format::Lines => lines.iter().try_for_each(|line| self.print(line)),
            Format::Frames => {
                if news.is_ours() {
                    for line in lines {
                        eprintln!("{line}");
                    }
                }
                Ok(())
            }
        }
    }

    fn print(&mut self, line: &str) -> Result<(), End> {
        let printed = self.terminal.print(line);
        printed.map_err(|_| End::Badly("nobody reads the output".to_owned()))
    }
}
