"""Who may change the defaults of everybody."""

import pytest

from shared.core.errors import Forbidden
from shared.core.settings import CommonSettings
from shared.http.server.config_tokens import require_config_token


def settings(**values):
    return CommonSettings(_env_file=None, **values)


RESTRICTED = settings(api_tokens="mesh,admin,user", config_tokens="admin")


@pytest.mark.parametrize("token", ["mesh", "admin", "user"])
def test_without_a_restriction_everybody_may(token):
    require_config_token(token, settings(api_tokens="mesh,admin,user"))
    require_config_token(None, settings())


@pytest.mark.parametrize("behind_gateway", [False, True])
def test_with_one_those_that_it_names_may(behind_gateway):
    require_config_token("admin", RESTRICTED, behind_gateway=behind_gateway)
    for token in ("user", "", "admi", None):
        with pytest.raises(Forbidden) as caught:
            require_config_token(token, RESTRICTED, behind_gateway=behind_gateway)
        assert (caught.value.status, caught.value.code) == (403, "config_forbidden")
        assert "admin" not in str(caught.value.body())


def test_the_meshs_own_token_may_only_behind_the_gateway():
    require_config_token("mesh", RESTRICTED, behind_gateway=True)
    with pytest.raises(Forbidden):
        require_config_token("mesh", RESTRICTED)
