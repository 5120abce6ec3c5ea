package askance;

import java.util.List;
import java.util.Map;
import org.keycloak.Config;
import org.keycloak.authentication.AuthenticationFlowContext;
import org.keycloak.authentication.authenticators.conditional.ConditionalAuthenticator;
import org.keycloak.authentication.authenticators.conditional.ConditionalAuthenticatorFactory;
import org.keycloak.models.AuthenticationExecutionModel.Requirement;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.KeycloakSessionFactory;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserModel;
import org.keycloak.provider.ProviderConfigProperty;

/**
 * "Condition - askance": first in a conditional sub-flow behind the password. With `asks`, the rest of the sub-flow (a form for a factor) is
 * run unless the login is allowed; with `denies`, the rest ("Deny access") where it is denied.
 */
public final class AskanceCondition implements ConditionalAuthenticator, ConditionalAuthenticatorFactory {
    private static final String WHEN = "when";

    @Override
    public boolean matchCondition(AuthenticationFlowContext context) {
        var settings = context.getAuthenticatorConfig();
        Map<String, String> given = settings == null || settings.getConfig() == null ? Map.of() : settings.getConfig();
        var action = Askance.of(context).action();
        return "denies".equals(given.get(WHEN)) ? action.equals("deny") : !action.equals("allow");
    }

    @Override
    public List<ProviderConfigProperty> getConfigProperties() {
        var help = "asks: a factor is wanted. denies: nobody is to be let in.";
        return List.of(new ProviderConfigProperty(WHEN, "When askance", help, ProviderConfigProperty.LIST_TYPE, "asks", "asks", "denies"));
    }

    @Override
    public Requirement[] getRequirementChoices() {
        return new Requirement[] {Requirement.REQUIRED, Requirement.DISABLED};
    }

    @Override
    public ConditionalAuthenticator getSingleton() {
        return this;
    }

    @Override
    public String getId() {
        return "askance-condition";
    }

    @Override
    public String getDisplayType() {
        return "Condition - askance";
    }

    @Override
    public String getHelpText() {
        return "The sub-flow is run when askance finds the login unusual.";
    }

    @Override
    public boolean isConfigurable() {
        return true;
    }

    @Override
    public boolean isUserSetupAllowed() {
        return false;
    }

    @Override
    public boolean requiresUser() {
        return true;
    }

    @Override
    public void action(AuthenticationFlowContext context) {}

    @Override
    public void setRequiredActions(KeycloakSession session, RealmModel realm, UserModel user) {}

    @Override
    public void init(Config.Scope config) {}

    @Override
    public void postInit(KeycloakSessionFactory factory) {}

    @Override
    public void close() {}
}
