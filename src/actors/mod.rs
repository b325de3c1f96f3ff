//! Shells around `flow`, in the order of the flow.
