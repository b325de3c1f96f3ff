//! The worker against a scripted master, against a stock one, and its command line.

mod cli;
mod commands;
mod kill;
mod leave;
mod link;
mod pb;
mod pb_master;
mod stock;
mod support;
mod tac;
mod tls;
mod transfer;
