//! What an expression has made sure of when its next part is evaluated.

use super::facts::HAS;
use super::language::path;
use super::schema::{self, ATTRIBUTES, Presence};
use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};

/// Names of fields, or of groups of fields, that are there.
#[derive(Debug, Default)]
pub(super) struct Guards(Vec<String>);

impl Guards {
    /// What is there if `expression` is `truth`, for as long as `part` is looked at.
    pub(super) fn given<T>(&mut self, expression: &IdedExpr, truth: bool, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.0.len();
        self.add(expression, truth);
        let result = part(self);
        self.0.truncate(before);
        result
    }

    /// Whether the field is known to be there.
    pub(super) fn admit(&self, path: &str, presence: Presence) -> bool {
        match presence {
            Presence::Always => true,
            Presence::Alone => self.0.iter().any(|known| known == path),
            Presence::With(group) => self.0.iter().any(|known| known == group),
        }
    }

    fn add(&mut self, expression: &IdedExpr, truth: bool) {
        if let Expr::Ident(name) = &expression.expr
            && truth
        {
            let asked = name.strip_prefix(HAS).and_then(|path| Some((path, schema::find(path)?.presence)));
            self.0.extend(asked.map(|(path, presence)| match presence {
                Presence::With(group) => group.to_owned(),
                Presence::Always | Presence::Alone => path.to_owned(),
            }));
        }
        if let Expr::Call(call) = &expression.expr {
            match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::LOGICAL_NOT, [inner]) => self.add(inner, !truth),
                (operators::LOGICAL_AND, both) if truth => both.iter().for_each(|part| self.add(part, true)),
                (operators::LOGICAL_OR, both) if !truth => both.iter().for_each(|part| self.add(part, false)),
                (operators::IN, [name, of]) if truth && path(of).as_deref() == Some(ATTRIBUTES) => {
                    self.0.extend(literal(name).map(|name| format!("{ATTRIBUTES}.{name}")));
                }
                _ => {}
            }
        }
    }
}

/// The text, where it is written out.
pub(super) fn literal(expression: &IdedExpr) -> Option<&str> {
    if let Expr::Literal(LiteralValue::String(text)) = &expression.expr { Some(text.inner()) } else { None }
}
