"""Money in minor units: how many decimals a currency has."""

_WITHOUT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_THREE = "BHD IQD JOD KWD LYD OMR TND"

# ISO 4217: currencies whose minor unit is not a hundredth.
_DECIMALS = dict.fromkeys(_WITHOUT.split(" "), 0) | dict.fromkeys(_WITH_THREE.split(" "), 3)


def decimals(currency_code: str) -> int:
    """Return the number of decimals of a currency: 2 for `USD`, 0 for `JPY`, 3 for `KWD`."""
    return _DECIMALS.get(currency_code, 2)
