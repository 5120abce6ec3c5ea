//! Three nodes: what is known of a user is on one of them, wherever that goes.

use super::outcomes::all;
use super::replica::{Replica, run};
use super::together::{eventually, within};
use crate::support::PATIENCE;
use crate::support::redis::{RedisServer, command};
use askance::memory::Memory;
use askance::memory::decisions::Settlement;

const NODES: usize = 3;
const SLOTS: usize = 16_384;

pub(super) struct Cluster {
    pub(super) nodes: Vec<RedisServer>,
}

impl Cluster {
    pub(super) fn start() -> Self {
        let nodes: Vec<RedisServer> = std::iter::repeat_with(RedisServer::start_node).take(NODES).collect();
        for (number, node) in nodes.iter().enumerate() {
            let (first, last) = (number * SLOTS / NODES, (number + 1) * SLOTS / NODES - 1);
            node.ask::<String>(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            node.ask::<String>(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
            node.ask::<String>(&format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port));
        }
        let cluster = Self { nodes };
        crate::support::eventually("the nodes know each other", || {
            cluster
                .nodes
                .iter()
                .all(|node| {
                    let info: String = node.ask("CLUSTER INFO");
                    info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{NODES}"))
                })
                .then_some(())
        });
        cluster
    }

    /// Moves a slot with all that is in it, as `redis-cli --cluster reshard` does, from the node that has it.
    fn move_slot(&self, slot: usize, from: &RedisServer, to: &RedisServer) {
        let [from_id, to_id] = [from, to].map(|node| node.ask::<String>("CLUSTER MYID"));
        to.ask::<String>(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
        from.ask::<String>(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
        // Many keys at once: logins of the slot wait meanwhile, and each of them has left a decision in it.
        let mut connection = from.connect();
        loop {
            let look = command(&format!("CLUSTER GETKEYSINSLOT {slot} 200"));
            let keys: Vec<Vec<u8>> = look.query(&mut connection).unwrap();
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(to.port).arg("").arg(0).arg(5_000).arg("KEYS").arg(keys);
            migrate.query::<redis::Value>(&mut connection).unwrap();
        }
        for node in [to, from] {
            node.ask::<String>(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
        }
        self.nodes.iter().for_each(|node| {
            // A node that does not hear of it this way does so by gossip.
            command(&format!("CLUSTER SETSLOT {slot} NODE {to_id}")).query::<String>(&mut node.connect()).ok();
        });
    }
}

#[test]
fn all_of_a_user_is_on_one_node_and_all_nodes_have_some() {
    let cluster = Cluster::start();
    let (one, other) = (Replica::of(&cluster.nodes[0]), Replica::of(&cluster.nodes[2]));
    run(async {
        let mut made = Vec::new();
        for number in 0..60 {
            let user = format!("user-{number}");
            let (a, b) = tokio::join!(one.log_in(&user, 1), other.log_in(&user, 2));
            let waits = one.challenge(&user, 3).await;
            assert!(matches!(other.succeed(waits.id).await, Ok(Settlement::Counted(_))), "{user}");
            assert_eq!(one.log_in(&user, 1).await.known, Some(3));
            made.extend([a.id, b.id, waits.id]);
        }
        for node in &cluster.nodes {
            assert!(node.ask::<usize>("DBSIZE") > 30, "every node has users");
        }
        let listed = other.listed(other.query(None, 50)).await;
        assert!(listed.len() == 240 && made.iter().all(|id| listed.contains(id)), "{} decisions", listed.len());
        assert_eq!(one.listed(one.query(Some("user-7"), 50)).await.len(), 4);
        one.memory.erase(one.user("user-7")).await.expect("the cluster serves");
        assert_eq!(other.listed(other.query(None, 50)).await.len(), 236);
        eventually("the erasure is told", async || (other.near("user-7").await == Some(0)).then_some(())).await;
    });
}

#[test]
fn slots_that_move_under_load_lose_nothing() {
    let cluster = Cluster::start();
    let (one, other) = (Replica::of(&cluster.nodes[0]), Replica::of(&cluster.nodes[1]));
    run(async {
        for number in 0..20 {
            one.log_in(&format!("user-{number}"), 1).await;
        }
    });
    // The slots of these users, of those that are on the first node.
    let keys: Vec<Vec<u8>> = cluster.nodes[0].ask("KEYS askance:{*}:u:*");
    let mut slots: Vec<usize> = keys
        .iter()
        .map(|key| redis::cmd("CLUSTER").arg("KEYSLOT").arg(key).query(&mut cluster.nodes[0].connect()).unwrap())
        .collect();
    slots.sort_unstable();
    slots.dedup();
    assert!(!slots.is_empty());
    std::thread::scope(|scope| {
        let mover = scope.spawn(|| {
            slots.iter().for_each(|slot| cluster.move_slot(*slot, &cluster.nodes[0], &cluster.nodes[2]));
        });
        let is_moving = || !mover.is_finished();
        run(all((0..20).map(|number| log_in_while(&is_moving, [&one, &other], format!("user-{number}")))));
    });
    run(async {
        let third = Replica::of(&cluster.nodes[1]);
        for number in 0..20 {
            let user = format!("user-{number}");
            eventually("all devices are there", async || (third.near(&user).await >= Some(4)).then_some(())).await;
        }
        let left: Vec<Vec<u8>> = cluster.nodes[0].ask("KEYS askance:{*}:u:*");
        assert!(left.is_empty(), "they went with their slots");
    });
}

async fn log_in_while(is_moving: &(impl Fn() -> bool + Sync), replicas: [&Replica; 2], user: String) {
    let mut rounds = 0;
    while is_moving() || rounds < 3 {
        let judged = replicas[rounds % 2].log_in(&user, 2 + rounds as u64 % 4).await;
        assert!(judged.known.is_some() && judged.is_shared, "a login goes where its slot went: {judged:?}");
        rounds += 1;
    }
}

/// A master dies, and its replica takes over: its users are judged on what is near meanwhile, and served again behind it.
#[test]
fn a_failover_goes_unnoticed_but_for_the_answers_that_say_so() {
    let mut cluster = Cluster::start();
    let heir = RedisServer::start_node();
    heir.ask::<String>(&format!("CLUSTER MEET 127.0.0.1 {}", cluster.nodes[0].port));
    let master: String = cluster.nodes[1].ask("CLUSTER MYID");
    crate::support::eventually("it is a replica", || {
        // It has to hear of its master first.
        command(&format!("CLUSTER REPLICATE {master}")).query::<String>(&mut heir.connect()).ok()
    });
    crate::support::eventually("it has what its master has", || {
        heir.ask::<String>("INFO replication").contains("master_link_status:up").then_some(())
    });
    let replica = Replica::hasty(&cluster.nodes[0].url());
    let users: Vec<String> = (0..30).map(|number| format!("user-{number}")).collect();
    run(async {
        for user in &users {
            while !replica.log_in(user, 1).await.is_shared {}
        }
    });
    crate::support::eventually("the replica has all of it", || {
        let sizes = [&cluster.nodes[1], &heir].map(|node| node.ask::<usize>("DBSIZE"));
        (sizes[0] == sizes[1]).then_some(())
    });
    cluster.nodes[1].kill();
    run(async {
        eventually("that is noticed", async || replica.memory.is_degraded().then_some(())).await;
        for user in &users {
            let judged = replica.log_in(user, 2).await;
            assert!(judged.known.is_some_and(|known| known >= 1), "near: {judged:?}");
        }
        within(3 * PATIENCE, "all are served again", async || (!replica.memory.is_degraded()).then_some(())).await;
        for user in &users {
            replica.log_in(user, 3).await;
        }
        let third = eventually("another one starts", async || {
            super::replica::open(&super::replica::setup(&cluster.nodes[2].url())).ok()
        })
        .await;
        for user in &users {
            // What was learnt meanwhile is told while all nodes serve, which on a full machine is seldom for somebody so hasty.
            let is_whole = async || (third.near(user).await == Some(3)).then_some(());
            within(3 * PATIENCE, "nothing is lost", is_whole).await;
        }
    });
    assert!(heir.ask::<String>("INFO replication").contains("role:master"));
}

#[test]
fn a_node_that_is_gone_takes_only_its_own_users_away() {
    let mut cluster = Cluster::start();
    cluster.nodes.iter().for_each(|node| drop(node.ask::<String>("CONFIG SET cluster-require-full-coverage no")));
    let replica = Replica::hasty(&cluster.nodes[0].url());
    run(async {
        let users: Vec<String> = (0..30).map(|number| format!("user-{number}")).collect();
        for user in &users {
            while !replica.log_in(user, 1).await.is_shared {}
        }
        cluster.nodes[1].kill();
        eventually("that is noticed", async || {
            for user in &users {
                replica.log_in(user, 2).await;
            }
            replica.memory.is_degraded().then_some(())
        })
        .await;
        let mut shared = 0;
        for user in &users {
            let judged = replica.log_in(user, 3).await;
            assert!(judged.known.is_some(), "near, whoever has it: {judged:?}");
            shared += usize::from(judged.is_shared);
        }
        assert!((1..users.len()).contains(&shared), "{shared} of {}", users.len());
        cluster.nodes[1].restart();
        eventually("all serve again", async || (!replica.memory.is_degraded()).then_some(())).await;
        let third = eventually("a third starts", async || {
            super::replica::open(&super::replica::setup(&cluster.nodes[2].url())).ok()
        })
        .await;
        for user in &users {
            // As behind a failover: what waits is told while all serve, which on a full machine is seldom for somebody so hasty.
            let is_whole = async || (third.near(user).await == Some(3)).then_some(());
            within(3 * PATIENCE, "nothing is lost", is_whole).await;
        }
    });
}
