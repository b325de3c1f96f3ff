//! Payloads of pushes, and what follows their answers.
