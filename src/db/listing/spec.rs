//! What a list query asks for, as plain values.

/// What a field holds: decides how a filter value is read and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int,
    Bool,
    Text,
    /// Text that must be an identifier in filters.
    Identifier,
    /// A list of texts.
    Texts,
    /// A list of numbers.
    Ints,
    /// An object or a list of objects: never filtered.
    Object,
}

/// One field of an entity.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// SQL expression; empty when the field is no column and is filled in afterwards.
    pub sql: &'static str,
    /// A field of the REST entity; the others only feed what is filled in afterwards.
    pub public: bool,
}

impl Field {
    pub const fn int(name: &'static str, sql: &'static str) -> Field {
        Field { name, kind: Kind::Int, sql, public: true }
    }

    pub const fn bool(name: &'static str, sql: &'static str) -> Field {
        Field { name, kind: Kind::Bool, sql, public: true }
    }

    pub const fn text(name: &'static str, sql: &'static str) -> Field {
        Field { name, kind: Kind::Text, sql, public: true }
    }

    pub const fn identifier(name: &'static str, sql: &'static str) -> Field {
        Field { name, kind: Kind::Identifier, sql, public: true }
    }

    pub const fn virtual_of(kind: Kind, name: &'static str) -> Field {
        Field { name, kind, sql: "", public: true }
    }

    /// A column that is no field of the entity.
    pub const fn hidden(kind: Kind, name: &'static str, sql: &'static str) -> Field {
        Field { name, kind, sql, public: false }
    }

    /// Can the database filter and order by it?
    pub fn is_column(&self) -> bool {
        !self.sql.is_empty()
    }
}

/// How a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Contains,
    In,
    NotIn,
}

/// A filter value of the field's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    Int(i64),
    Text(String),
}

/// `field op any-of(values)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub field: &'static str,
    pub op: Op,
    /// Never empty; more than one only for Eq, Ne, Contains, In and NotIn.
    pub values: Vec<Want>,
}

/// One key of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub field: &'static str,
    pub descending: bool,
}

/// Filters, order and page of one list query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spec {
    pub filters: Vec<Filter>,
    pub order: Vec<Order>,
    /// `None` is all of it, as far as the hard limit allows.
    pub limit: Option<i64>,
    pub offset: Option<i64>,
}

impl Spec {
    /// Newest first by `field`, at most `limit` rows.
    pub fn newest(field: &'static str, limit: i64) -> Spec {
        Spec {
            order: vec![Order { field, descending: true }],
            limit: Some(limit),
            ..Spec::default()
        }
    }
}
