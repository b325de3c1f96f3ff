//! Runs the commands of a Buildbot master.
