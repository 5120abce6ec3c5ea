package askance;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import org.keycloak.authentication.AuthenticationFlowContext;

/** What is said of a login: one call, and one rule, that whatever is no 200 in time means challenge. */
record Askance(String action, String decision) {
    /** Where it is kept within a login: Keycloak asks a condition again with every form, and a login has one decision. */
    private static final String ACTION = "askance.action";
    static final String DECISION = "askance.decision";

    private static final String URL = System.getenv().getOrDefault("ASKANCE_URL", "http://127.0.0.1:8470");
    private static final String KEY = System.getenv("ASKANCE_KEY");
    private static final long DEADLINE_MS = 1000;
    private static final HttpClient CLIENT =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).proxy(HttpClient.Builder.NO_PROXY).build();
    /** A minimal answer begins so; what comes behind is of no interest here. */
    private static final Pattern ANSWER =
            Pattern.compile("\\A\\{\"decision_id\":\"([0-9a-f-]{36})\",\"action\":\"(allow|challenge|verify_email|deny)\"");

    /** Of this login: as it was said before, or asked for now. */
    static Askance of(AuthenticationFlowContext context) {
        var login = context.getAuthenticationSession();
        if (login.getAuthNote(ACTION) == null) {
            var said = ask(toLogin(context));
            login.setAuthNote(ACTION, said.action);
            login.setAuthNote(DECISION, said.decision);
        }
        return new Askance(login.getAuthNote(ACTION), login.getAuthNote(DECISION));
    }

    /** The body for POST /v1/score. */
    static String toLogin(AuthenticationFlowContext context) {
        var user = context.getUser();
        var factors = new StringBuilder();
        // Types of credentials as Keycloak calls them, and as askance does.
        for (var type : new String[][] {{"webauthn", "webauthn"}, {"otp", "totp"}, {"recovery-authn-codes", "backup_code"}}) {
            if (user.credentialManager().isConfiguredFor(type[0])) {
                factors.append(factors.isEmpty() ? "" : ",").append(quoted(type[1]));
            }
        }
        var agent = context.getHttpRequest().getHttpHeaders().getHeaderString("User-Agent");
        return "{\"user\":{\"id\":" + quoted(user.getId()) + ",\"enrolled_factors\":[" + factors + "]}"
                + ",\"ip\":" + quoted(context.getConnection().getRemoteAddr())
                + (agent == null ? "" : ",\"user_agent\":" + quoted(agent))
                + ",\"session_id\":" + quoted(context.getAuthenticationSession().getParentSession().getId()) + "}";
    }

    private static Askance ask(String login) {
        var answer = ANSWER.matcher(post("/v1/score", login));
        return answer.lookingAt() ? new Askance(answer.group(2), answer.group(1)) : new Askance("challenge", null);
    }

    /** Tells that the factor was passed, so that the login is learnt; a login goes on without it. */
    static void passed(String decision, String factor) {
        post("/v1/decisions/" + decision + "/outcome", "{\"result\":\"success\",\"factor\":" + quoted(factor) + "}");
    }

    /** The answer where it is a good one; else an empty text. */
    private static String post(String path, String body) {
        var request = HttpRequest.newBuilder(URI.create(URL + path))
                .header("content-type", "application/json")
                .header("prefer", "return=minimal")
                .POST(BodyPublishers.ofString(body));
        if (KEY != null) {
            request.header("authorization", "Bearer " + KEY);
        }
        var asked = CLIENT.sendAsync(request.build(), BodyHandlers.ofString());
        try {
            var answer = asked.get(DEADLINE_MS, TimeUnit.MILLISECONDS);
            return answer.statusCode() == 200 ? answer.body() : "";
        } catch (ExecutionException | TimeoutException goneOrSlow) {
            asked.cancel(true);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
        return "";
    }

    private static String quoted(String text) {
        var json = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter < ' ' || letter == '"' || letter == '\\' || Character.isSurrogate(letter)) {
                json.append(String.format("\\u%04x", (int) letter));
            } else {
                json.append(letter);
            }
        }
        return json.append('"').toString();
    }
}
