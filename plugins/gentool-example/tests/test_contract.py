"""The contracts that built-in components keep too."""

from gentoolkit.testing import plugin_contract

TestContract = plugin_contract("example")
