"""One operator, one file: what a policy can do to a value before it leaves.

An operator is an immutable value with typed parameters and `apply(value, context)`; it holds no key. `Operator` is the union of all, which
is what a compiled policy is made of and decoded from.
"""

from privacy.policies.operators.amount import GeneraliseAmount, StoredAmount
from privacy.policies.operators.cell import GeneralisePlace
from privacy.policies.operators.context import Cipher, Context, NoiseSource, Operation, Pseudonymiser, Tools, Truncation, Vault
from privacy.policies.operators.drop import Drop
from privacy.policies.operators.duration import GeneraliseDuration
from privacy.policies.operators.encrypt import Encrypt
from privacy.policies.operators.figure import GeneraliseFigure
from privacy.policies.operators.fraction import GeneraliseFraction
from privacy.policies.operators.keep import Keep
from privacy.policies.operators.moment import GeneraliseTime
from privacy.policies.operators.noisy_amount import NoiseAmount
from privacy.policies.operators.noisy_place import NoisePlace
from privacy.policies.operators.pseudonym import Token
from privacy.policies.operators.seal import Seal
from privacy.policies.operators.sentence import GeneraliseSentence, Told
from privacy.policies.operators.truncate import Mask
from privacy.policies.operators.unkeyed_hash import Hash

__all__ = [
    "Cipher",
    "Context",
    "Drop",
    "Encrypt",
    "GeneraliseAmount",
    "GeneraliseDuration",
    "GeneraliseFigure",
    "GeneraliseFraction",
    "GeneralisePlace",
    "GeneraliseSentence",
    "GeneraliseTime",
    "Hash",
    "Keep",
    "Mask",
    "NoiseAmount",
    "NoisePlace",
    "NoiseSource",
    "Operation",
    "Operator",
    "Pseudonymiser",
    "Seal",
    "StoredAmount",
    "Token",
    "Told",
    "Tools",
    "Truncation",
    "Vault",
]

Operator = (
    Drop
    | Encrypt
    | GeneraliseAmount
    | GeneraliseDuration
    | GeneraliseFigure
    | GeneraliseFraction
    | GeneralisePlace
    | GeneraliseSentence
    | GeneraliseTime
    | Hash
    | Keep
    | Mask
    | NoiseAmount
    | NoisePlace
    | Seal
    | Token
)
"""Any operator."""
