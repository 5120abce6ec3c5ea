//! CEL as rules have it: its standard functions without those that loop, and `inCidr`.

use super::facts::HAS;
use cel::common::ast::Expr;
use cel::common::functions::Function;
use cel::common::types::{CelBool, CelList, CelString, LIST_TYPE, STRING_TYPE, Type};
use cel::common::value::CowVal;
use cel::parser::{Macro, MacroExprHelper};
use cel::{Env, ExecutionError, IdedExpr, ParseError};
use ipnet::IpNet;
use std::net::IpAddr;

/// The name of the function that says whether an address is in a network, or in one of several.
pub(super) const IN_CIDR: &str = "inCidr";

/// Without the macros `all`, `exists`, `map` and `filter`, which loop: nested, they take any time. `matches` is left out by a feature
/// of the crate: a regular expression would be compiled anew for each login.
#[expect(clippy::expect_used, reason = "a name is declared twice only if the crate takes one of ours")]
pub(super) fn language() -> Env {
    let mut env = Env::default().with_optional_support(false).with_stdlib();
    env.add_macro(Macro::global("has", 1, has)).expect("the standard library without macros has no macro");
    let declare = |env: &mut Env, id: &str, networks: fn() -> Type, function: Function| {
        env.add_member_overload(IN_CIDR, &format!("{id}_member"), STRING_TYPE, vec![networks()], function)?;
        env.add_overload(IN_CIDR, id, vec![STRING_TYPE, networks()], function)
    };
    declare(&mut env, "in_cidr_text", || STRING_TYPE, in_cidr).expect("no other function has this name");
    declare(&mut env, "in_cidr_list", || LIST_TYPE, in_any_cidr).expect("none but this one, for texts");
    env
}

/// Makes `has(a.b)` a name that is looked up as a whole.
fn has(
    helper: &mut MacroExprHelper<'_>,
    _: &mut Option<IdedExpr>,
    arguments: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    match arguments.first().and_then(path) {
        Some(path) => {
            arguments.clear();
            Ok(Some(helper.next_expr(Expr::Ident(format!("{HAS}{path}")))))
        }
        None => Err(helper.new_error(0, "`has` asks for a field, as in `has(event.client_id)`")),
    }
}

/// `a.b.c`, where the expression is no more than that.
pub(super) fn path(expression: &IdedExpr) -> Option<String> {
    if let Expr::Select(select) = &expression.expr {
        return path(&select.operand).filter(|_| !select.test).map(|root| format!("{root}.{}", select.field));
    }
    if let Expr::Ident(name) = &expression.expr { Some(name.clone()) } else { None }
}

/// A network as rules write it: a CIDR, or one address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[expect(clippy::needless_pass_by_value, reason = "functions of the crate have this signature")]
fn in_cidr<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let networks = arguments.get(1).and_then(|networks| networks.downcast_ref::<CelString>());
    is_in(&arguments, networks.into_iter().map(CelString::inner))
}

#[expect(clippy::needless_pass_by_value, reason = "functions of the crate have this signature")]
fn in_any_cidr<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let networks = arguments.get(1).and_then(|networks| networks.downcast_ref::<CelList<'_>>());
    let networks = networks.into_iter().flat_map(|networks| networks.inner());
    is_in(&arguments, networks.filter_map(|network| network.downcast_ref::<CelString>()).map(CelString::inner))
}

/// What is no address is in no network; that networks are networks was checked before.
fn is_in<'n, 'b, 'v>(
    arguments: &[CowVal<'b, 'v>],
    mut networks: impl Iterator<Item = &'n str>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let address = arguments.first().and_then(|address| address.downcast_ref::<CelString>());
    let address = address.and_then(|address| address.inner().parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
    let contains = |ip: IpAddr| networks.any(|text| network(text).is_some_and(|network| network.contains(&ip)));
    Ok(CowVal::owned(CelBool::from(address.is_some_and(contains))))
}
