package askance;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import org.keycloak.authentication.AuthenticationFlowContext;
import org.keycloak.authentication.AuthenticatorFactory;
import org.keycloak.authentication.authenticators.conditional.ConditionalAuthenticator;
import org.keycloak.models.AuthenticatorConfigModel;

/**
 * Runs the flow of docs/INTEGRATIONS.md with stand-ins for what Keycloak gives: `Check USER CREDENTIALS IP AGENT SESSION`. Prints the body
 * that it sends, and what becomes of the login.
 */
final class Check {
    private final Map<String, String> notes = new HashMap<>();
    private boolean succeeded;

    public static void main(String[] told) throws Exception {
        new Check().run(told[0], Set.of(told[1].split(",")), told[2], told[3], told[4]);
    }

    private void run(String user, Set<String> credentials, String ip, String agent, String session) {
        var context = context(user, credentials, ip, agent, session, "asks");
        System.out.println(Askance.toLogin(context));
        ConditionalAuthenticator condition = null;
        org.keycloak.authentication.Authenticator passed = null;
        // As Keycloak finds them.
        for (var factory : ServiceLoader.load(AuthenticatorFactory.class)) {
            var made = factory.create(null);
            if (made instanceof ConditionalAuthenticator found) {
                condition = found;
            } else {
                passed = made;
            }
        }
        var denying = context(user, credentials, ip, agent, session, "denies");
        var action = condition.matchCondition(denying) ? "denied" : condition.matchCondition(context) ? "asked" : "in";
        // Asked again, as with every form.
        if (condition.matchCondition(context) != action.equals("asked") && !action.equals("denied")) {
            action = "of two minds";
        }
        if (action.equals("asked")) {
            passed.authenticate(context);
            action = succeeded ? "asked" : "stuck";
        }
        System.out.println(action);
    }

    private AuthenticationFlowContext context(
            String user, Set<String> credentials, String ip, String agent, String session, String when) {
        var config = new AuthenticatorConfigModel();
        config.setConfig(Map.of("when", when));
        return as(AuthenticationFlowContext.class, Map.of(
                "getUser", given -> as(org.keycloak.models.UserModel.class, Map.of(
                        "getId", none -> user,
                        "credentialManager", none -> as(org.keycloak.models.SubjectCredentialManager.class,
                                Map.of("isConfiguredFor", type -> credentials.contains(type[0]))))),
                "getConnection", given -> as(org.keycloak.common.ClientConnection.class, Map.of("getRemoteAddr", none -> ip)),
                "getHttpRequest", given -> as(org.keycloak.http.HttpRequest.class, Map.of("getHttpHeaders",
                        none -> as(jakarta.ws.rs.core.HttpHeaders.class,
                                Map.of("getHeaderString", name -> name[0].equals("User-Agent") ? agent : null)))),
                "getAuthenticatorConfig", given -> config,
                "getAuthenticationSession", given -> as(org.keycloak.sessions.AuthenticationSessionModel.class, Map.of(
                        "getAuthNote", name -> notes.get(name[0]),
                        "setAuthNote", pair -> notes.put((String) pair[0], (String) pair[1]),
                        "getParentSession", none -> as(org.keycloak.sessions.RootAuthenticationSessionModel.class,
                                Map.of("getId", nothing -> session)))),
                "success", given -> succeeded = true));
    }

    private interface Answer {
        Object to(Object[] given);
    }

    private static <T> T as(Class<T> type, Map<String, Answer> answers) {
        InvocationHandler handler = (proxy, method, given) -> {
            var answer = answers.get(method.getName()).to(given);
            return method.getReturnType() == void.class ? null : answer;
        };
        return type.cast(Proxy.newProxyInstance(Check.class.getClassLoader(), new Class<?>[] {type}, handler));
    }
}
