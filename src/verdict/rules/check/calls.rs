//! Arithmetic and functions.

use super::super::Refusal;
use super::super::guards::literal;
use super::super::language::{IN_CIDR, network};
use super::super::nearest::nearest;
use super::super::schema::{Kind, Type};
use super::{Walk, fits, mistyped};
use cel::common::ast::{CallExpr, Expr, operators};
use cel::{Context, IdedExpr, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a function of one argument beside its receiver, or of none, takes and gives. CEL's own, but `inCidr`.
const OF_TEXT: [&str; 3] = ["contains", "startsWith", "endsWith"];
const OF_TIME: [&str; 10] = [
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];
const OF_TEXT_LITERAL: [(&str, Kind); 2] = [("timestamp", Kind::Time), ("duration", Kind::Duration)];
/// CEL has these, and rules do not: the time that they take has no bound that is known beforehand.
const NOT_HERE: [&str; 7] = ["all", "exists", "exists_one", "existsOne", "map", "filter", "matches"];

pub(super) fn is_arithmetic(operator: &str) -> bool {
    [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE, operators::MODULO]
        .contains(&operator)
}

impl Walk<'_> {
    pub(super) fn arithmetic(&mut self, operator: &str, left: &IdedExpr, right: &IdedExpr) -> Result<Type, Refusal> {
        let (a, b) = (self.one(left)?, self.one(right)?);
        let is_sum = operator == operators::ADD;
        let is_difference = operator == operators::SUBSTRACT;
        let kind = match (a, b) {
            (Kind::Any, other) | (other, Kind::Any) => other,
            (Kind::Int, Kind::Int) => Kind::Int,
            (Kind::Double, Kind::Double) if operator != operators::MODULO => Kind::Double,
            (Kind::Text | Kind::Word(_), Kind::Text | Kind::Word(_)) if is_sum => Kind::Text,
            (Kind::Time, Kind::Time) if is_difference => Kind::Duration,
            (Kind::Time, Kind::Duration) if is_sum || is_difference => Kind::Time,
            (Kind::Duration, Kind::Time) if is_sum => Kind::Time,
            (Kind::Duration, Kind::Duration) if is_sum || is_difference => Kind::Duration,
            (a, b) => {
                let sign = operator.trim_matches('_');
                return mistyped(format!("`{sign}` cannot be applied to {} and {}", a.name(), b.name()));
            }
        };
        Ok(Type::One(kind))
    }

    pub(super) fn function(&mut self, call: &CallExpr) -> Result<Type, Refusal> {
        let name = call.func_name.as_str();
        let (receiver, arguments) = (call.target.as_deref(), call.args.as_slice());
        let all: Vec<&IdedExpr> = receiver.into_iter().chain(arguments).collect();
        if let Some((_, gives)) = OF_TEXT_LITERAL.into_iter().find(|(known, _)| *known == name) {
            return match (receiver, all.as_slice()) {
                (None, [text]) if literal(text).is_some() => {
                    self.one(text)?;
                    self.is_computable(call)?;
                    Ok(Type::One(gives))
                }
                _ => mistyped(format!("`{name}` takes one text that is written out")),
            };
        }
        match (name, all.as_slice()) {
            ("size", [of]) => match self.of(of)? {
                Type::One(Kind::Text | Kind::Word(_) | Kind::Any) | Type::Many(_) | Type::Attributes => {
                    Ok(Type::One(Kind::Int))
                }
                other => mistyped(format!("`size` cannot be asked of {}", other.name())),
            },
            (IN_CIDR, [address, networks]) => {
                self.text(name, address)?;
                self.networks(networks)
            }
            (name, [text, part]) if OF_TEXT.contains(&name) && receiver.is_some() => {
                self.text(name, text)?;
                self.text(name, part)?;
                Ok(Type::One(Kind::Bool))
            }
            (name, [time, zone @ ..]) if OF_TIME.contains(&name) && receiver.is_some() && zone.len() <= 1 => {
                let of_time = self.one(time)?;
                if of_time != Kind::Time {
                    return mistyped(format!("`{name}` asks a timestamp, not {}", of_time.name()));
                }
                zone.iter().try_for_each(|zone| self.zone(call, zone))?;
                Ok(Type::One(Kind::Int))
            }
            _ => Err(no_function(name)),
        }
    }

    fn text(&mut self, function: &str, expression: &IdedExpr) -> Result<(), Refusal> {
        let kind = self.one(expression)?;
        if fits(kind, Kind::Text) {
            Ok(())
        } else {
            mistyped(format!("`{function}` takes a string, not {}", kind.name()))
        }
    }

    /// Written out, so that a typo shows when the configuration is read.
    fn networks(&mut self, networks: &IdedExpr) -> Result<Type, Refusal> {
        let _type = self.of(networks)?;
        let each = if let Expr::List(list) = &networks.expr { &list.elements } else { std::slice::from_ref(networks) };
        for element in each {
            match literal(element) {
                Some(text) if network(text).is_some() => {}
                Some(text) => return mistyped(format!("\"{text}\" is neither a CIDR nor an address")),
                None => return mistyped(format!("`{IN_CIDR}` takes a CIDR that is written out, or a list of such")),
            }
        }
        Ok(Type::One(Kind::Bool))
    }

    /// A time zone is tried on some time.
    fn zone(&mut self, call: &CallExpr, zone: &IdedExpr) -> Result<(), Refusal> {
        if literal(zone).is_none() {
            return mistyped(format!("`{}` takes a time zone that is written out", call.func_name));
        }
        self.one(zone)?;
        let some_time = self.language.parser().parse("timestamp('2026-01-01T00:00:00Z')").ok().map(Box::new);
        self.is_computable(&CallExpr { target: some_time, ..call.clone() })
    }

    /// A call of which all is written out either works, or never will.
    fn is_computable(&self, call: &CallExpr) -> Result<(), Refusal> {
        // The language of an evaluation is shared; nobody shares this one yet.
        let context = Context::with_env(Arc::new(super::super::language::language()));
        let written = call.args.first().and_then(literal).unwrap_or_default();
        let whole = IdedExpr { id: 1, expr: Expr::Call(call.clone()) };
        let compute = || Value::resolve_val(&whole, &context).map(|_| ()).map_err(|error| error.to_string());
        // What a library of foreign making panics over does not work either.
        let computed =
            catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|_| Err("it cannot be computed".to_owned()));
        computed.or_else(|problem| mistyped(format!("`{}` of \"{written}\": {problem}", call.func_name)))
    }
}

fn no_function(name: &str) -> Refusal {
    if NOT_HERE.contains(&name) {
        return Refusal::Syntax(format!(
            "rules have no `{name}`: what it may cost has no limit; `in` looks into a list"
        ));
    }
    let known = ["size", "has", IN_CIDR].into_iter().chain(OF_TEXT).chain(OF_TIME);
    let known: Vec<&str> = known.chain(OF_TEXT_LITERAL.map(|(name, _)| name)).collect();
    if known.contains(&name) {
        return Refusal::Mistyped(format!("`{name}` takes other arguments"));
    }
    Refusal::Unknown { name: format!("{name}(…)"), nearest: nearest(name, known).map(|name| format!("{name}(…)")) }
}
