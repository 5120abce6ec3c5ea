//! Walks a parsed expression: how large it is, and whether names and types fit the schema.

mod calls;

use super::facts::HAS;
use super::guards::{Guards, literal};
use super::language::path;
use super::nearest::nearest;
use super::schema::{self, Field, Kind, Type, Words};
use super::{DEPTH_MAX, NODES_MAX, Refusal, field_names};
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use cel::{Env, IdedExpr};

/// Whether the expression is one that a rule may have.
pub(super) fn check(expression: &IdedExpr, language: &Env) -> Result<(), Refusal> {
    let mut walk = Walk { language, guards: Guards::default(), nodes: 0, depth: 0 };
    walk.boolean(expression)
}

struct Walk<'l> {
    language: &'l Env,
    guards: Guards,
    nodes: usize,
    depth: usize,
}

fn mistyped<T>(problem: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Mistyped(problem.into()))
}

impl Walk<'_> {
    /// The type of an expression, one level below the one around it.
    fn of(&mut self, expression: &IdedExpr) -> Result<Type, Refusal> {
        self.count(1)?;
        if self.depth == DEPTH_MAX {
            return Err(Refusal::Deep);
        }
        self.depth += 1;
        let found = self.of_kind(expression);
        self.depth -= 1;
        found
    }

    fn count(&mut self, nodes: usize) -> Result<(), Refusal> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX { Err(Refusal::Large) } else { Ok(()) }
    }

    fn of_kind(&mut self, expression: &IdedExpr) -> Result<Type, Refusal> {
        match &expression.expr {
            Expr::Literal(literal) => of_literal(literal),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => match path(expression) {
                Some(path) => self.name(&path),
                None => mistyped(format!("`.{}` asks for a field of what has none", select.field)),
            },
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(&list.elements),
            Expr::Map(_) | Expr::Struct(_) => mistyped("rules have no maps and no messages, only lists: `[…]`"),
            Expr::Comprehension(_) | Expr::Unspecified => Err(Refusal::Syntax("no CEL that rules have".to_owned())),
        }
    }

    /// A field, or what was made of `has(…)`. Each segment is a node.
    fn name(&mut self, name: &str) -> Result<Type, Refusal> {
        self.count(name.matches('.').count())?;
        if let Some(path) = name.strip_prefix(HAS) {
            self.count(1)?;
            let _asked = known(path)?;
            return Ok(Type::One(Kind::Bool));
        }
        let field = known(name)?;
        if !self.guards.admit(name, field.presence) {
            return Err(Refusal::Unguarded(name.to_owned()));
        }
        Ok(field.holds)
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Result<Type, Refusal> {
        let mut of = Kind::Any;
        for element in elements {
            let found = self.one(element)?;
            if !fits(of, found) {
                return mistyped(format!("a list holds {} and {}", of.name(), found.name()));
            }
            if of == Kind::Any {
                of = found;
            }
        }
        Ok(Type::Many(of))
    }

    /// An expression that is no list and no map.
    fn one(&mut self, expression: &IdedExpr) -> Result<Kind, Refusal> {
        match self.of(expression)? {
            Type::One(kind) => Ok(kind),
            many @ (Type::Many(_) | Type::Attributes) => {
                mistyped(format!("a {} stands where a single value belongs", many.name()))
            }
        }
    }

    fn boolean(&mut self, expression: &IdedExpr) -> Result<(), Refusal> {
        let found = self.of(expression)?;
        if matches!(found, Type::One(Kind::Bool | Kind::Any)) {
            return Ok(());
        }
        mistyped(format!("{} stands where a bool belongs", found.name()))
    }

    fn call(&mut self, call: &CallExpr) -> Result<Type, Refusal> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no]) => self.conditional(condition, yes, no),
            (operators::LOGICAL_AND, [left, right]) => self.both(left, right, true),
            (operators::LOGICAL_OR, [left, right]) => self.both(left, right, false),
            (operators::LOGICAL_NOT, [inner]) => self.boolean(inner).map(|()| Type::One(Kind::Bool)),
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => self.equal(left, right),
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => self.ordered(left, right),
            (operators::IN, [one, many]) => self.contained(one, many),
            (operators::INDEX, [of, at]) => self.indexed(of, at),
            (operators::NEGATE, [number]) => self.negated(number),
            (operator, [left, right]) if calls::is_arithmetic(operator) => self.arithmetic(operator, left, right),
            _ => self.function(call),
        }
    }

    fn negated(&mut self, number: &IdedExpr) -> Result<Type, Refusal> {
        let kind = self.one(number)?;
        if matches!(kind, Kind::Int | Kind::Double | Kind::Any) {
            return Ok(Type::One(kind));
        }
        mistyped(format!("`-` cannot be applied to {}", kind.name()))
    }

    fn conditional(&mut self, condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr) -> Result<Type, Refusal> {
        self.boolean(condition)?;
        let yes = self.where_holds(condition, true, |walk| walk.one(yes))?;
        let no = self.where_holds(condition, false, |walk| walk.one(no))?;
        if !fits(yes, no) {
            return mistyped(format!("`?:` gives {} or {}", yes.name(), no.name()));
        }
        Ok(Type::One(if yes == Kind::Any { no } else { yes }))
    }

    /// The right side is evaluated only where the left one is `truth`.
    fn both(&mut self, left: &IdedExpr, right: &IdedExpr, truth: bool) -> Result<Type, Refusal> {
        self.boolean(left)?;
        self.where_holds(left, truth, |walk| walk.boolean(right))?;
        Ok(Type::One(Kind::Bool))
    }

    fn where_holds<T>(
        &mut self,
        condition: &IdedExpr,
        truth: bool,
        part: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut guards = std::mem::take(&mut self.guards);
        let result = guards.given(condition, truth, |guards| {
            std::mem::swap(&mut self.guards, guards);
            let result = part(self);
            std::mem::swap(&mut self.guards, guards);
            result
        });
        self.guards = guards;
        result
    }

    fn equal(&mut self, left: &IdedExpr, right: &IdedExpr) -> Result<Type, Refusal> {
        let (of_left, of_right) = (self.one(left)?, self.one(right)?);
        if !fits(of_left, of_right) {
            return mistyped(format!("{} is never equal to {}", of_left.name(), of_right.name()));
        }
        is_word(of_left, right)?;
        is_word(of_right, left)?;
        Ok(Type::One(Kind::Bool))
    }

    fn ordered(&mut self, left: &IdedExpr, right: &IdedExpr) -> Result<Type, Refusal> {
        let (of_left, of_right) = (self.one(left)?, self.one(right)?);
        // Words are in no order that letters know.
        let has_order = |kind| !matches!(kind, Kind::Bool | Kind::Word(_));
        if !fits(of_left, of_right) || !has_order(of_left) || !has_order(of_right) {
            return mistyped(format!("{} and {} have no order", of_left.name(), of_right.name()));
        }
        Ok(Type::One(Kind::Bool))
    }

    fn contained(&mut self, one: &IdedExpr, many: &IdedExpr) -> Result<Type, Refusal> {
        let of_one = self.one(one)?;
        match self.of(many)? {
            Type::Many(of_many) if fits(of_one, of_many) => {
                is_word(of_many, one)?;
                if let Expr::List(list) = &many.expr {
                    list.elements.iter().try_for_each(|element| is_word(of_one, element))?;
                }
                Ok(Type::One(Kind::Bool))
            }
            Type::Attributes if fits(of_one, Kind::Text) => Ok(Type::One(Kind::Bool)),
            other @ (Type::One(_) | Type::Many(_) | Type::Attributes) => {
                mistyped(format!("`in` looks for {} in a {}", of_one.name(), other.name()))
            }
        }
    }

    fn indexed(&mut self, of: &IdedExpr, at: &IdedExpr) -> Result<Type, Refusal> {
        let held = self.of(of)?;
        let by = self.one(at)?;
        match (held, literal(at)) {
            (Type::Attributes, Some(name)) => self.name(&format!("{}.{name}", schema::ATTRIBUTES)),
            (Type::Attributes, None) => mistyped("an attribute is named by a text that is written out"),
            // A list may be shorter than anybody thinks.
            _ => mistyped(format!("`[…]` asks {} for {}: only attributes are asked so", held.name(), by.name())),
        }
    }
}

fn of_literal(literal: &LiteralValue) -> Result<Type, Refusal> {
    Ok(Type::One(match literal {
        LiteralValue::Boolean(_) => Kind::Bool,
        LiteralValue::Int(_) => Kind::Int,
        LiteralValue::Double(_) => Kind::Double,
        LiteralValue::String(_) => Kind::Text,
        LiteralValue::Null => return mistyped("nothing is null here: what is absent is asked for with `has(…)`"),
        LiteralValue::UInt(_) => return mistyped("whole numbers are written without `u`"),
        LiteralValue::Bytes(_) => return mistyped("nothing is bytes here"),
    }))
}

fn known(path: &str) -> Result<Field<'_>, Refusal> {
    schema::find(path).ok_or_else(|| {
        let below = format!("{path}.");
        match field_names().find(|name| name.starts_with(&below)) {
            Some(field) => Refusal::Mistyped(format!("`{path}` is no value; it has fields, such as `{field}`")),
            None => Refusal::Unknown { name: path.to_owned(), nearest: nearest(path, field_names()) },
        }
    })
}

/// Whether one may be compared with the other, or stand beside it.
fn fits(a: Kind, b: Kind) -> bool {
    match (a, b) {
        (Kind::Any, _) | (_, Kind::Any) => true,
        (Kind::Int | Kind::Double, Kind::Int | Kind::Double) => true,
        (Kind::Text | Kind::Word(_), Kind::Text | Kind::Word(_)) => true,
        (a, b) => a == b,
    }
}

/// A text that is written out has to be one of the words that it is compared with: any other is a typo that never holds.
fn is_word(kind: Kind, expression: &IdedExpr) -> Result<(), Refusal> {
    let (Kind::Word(words), Some(text)) = (kind, literal(expression)) else { return Ok(()) };
    let known = words.all();
    if known.contains(&text) {
        return Ok(());
    }
    let nearest = nearest(text, &known).map_or_else(String::new, |nearest| format!(", the nearest is \"{nearest}\""));
    mistyped(format!("\"{text}\" is none of {}{nearest}", known.join(" ")))
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::Text => "string",
            Self::Word(words) => match words {
                Words::Confidence => "a confidence",
                Words::Code(_) => "a code",
                Words::Flow | Words::FirstFactor | Words::Factor | Words::Leg | Words::Category | Words::Resolution => {
                    "a word"
                }
            },
            Self::Time => "timestamp",
            Self::Duration => "duration",
            Self::Any => "an attribute",
        }
    }
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::One(kind) => kind.name(),
            Self::Many(_) => "list",
            Self::Attributes => "map",
        }
    }
}
