"""An estimate with its standard error, and how two of them differ."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from services.feedback.statistics.values import Values, plain, quotient

LEVEL = 0.95
"""Coverage of an interval that is looked at once."""


@dataclass(frozen=True)
class Estimate:
    """An approximately normal estimate.

    Parameters
    ----------
    value : float or ndarray
        In the unit of the metric; NaN where nothing was counted.
    standard_error : float or ndarray
        Of the value, in its unit; infinite where nothing is known of it.
    units : float or ndarray
        Number of independent units, those that are assigned to arms, behind the value.
    """

    value: Values
    standard_error: Values
    units: Values

    def interval(self, level: float = LEVEL) -> tuple[Values, Values]:
        """Return the ends of the normal interval. It holds for one look that was fixed before; see `sequential`.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level: must be between 0 and 1, got {level}")
        return self.within(float(norm.isf((1 - level) / 2)))

    def within(self, margin: Values) -> tuple[Values, Values]:
        """Return the value minus and plus so many standard errors; all numbers where the error is infinite."""
        known = np.isfinite(self.standard_error) & np.isfinite(self.value)
        spread = np.where(known, margin * np.where(known, self.standard_error, 1.0), np.inf)
        centre = np.where(known, self.value, 0.0)
        return plain(centre - spread), plain(centre + spread)

    def z(self) -> Values:
        """Return the value in standard errors; 0 where the error is 0 or infinite, as then nothing is known."""
        known = np.isfinite(self.standard_error) & np.isfinite(self.value)
        return quotient(np.where(known, self.value, 0.0), np.where(known, self.standard_error, 0.0), 0.0)

    def p_value(self) -> Values:
        """Return the two-sided p-value of the value 0. It holds for one look that was fixed before."""
        return plain(2 * norm.sf(np.abs(self.z())))


def difference(control: Estimate, treated: Estimate) -> Estimate:
    """Return the treated arm's value minus the control's, of independent arms.

    The standard error is the larger one of two: with the variance of each arm's own units, and with that of the units
    of both, as if there were no difference. They are equal for arms of one size, and nearly so for large samples. Where
    one arm is small and few units have most of the sum, as of revenue, an arm that lacks such units so far has a low
    value and a low variance of its own, and would seem to be worse.
    """
    error = np.sqrt(_squared_error(control, treated))
    return Estimate(plain(np.subtract(treated.value, control.value)), plain(error), control.units + treated.units)


def relative_difference(control: Estimate, treated: Estimate) -> Estimate:
    """Return the treated arm's value / the control's − 1, of independent arms, by the delta method.

    The value is NaN and the error infinite where the control's value is not above 0. The error is as much larger than
    with each arm's own variance as that of `difference` is. Whether there is a difference is for `difference` to say:
    its distribution is closer to the normal one where the control's value is uncertain.

    Source: Deng, Knoblich & Lu, "Applying the Delta Method in Metric Analytics", KDD 2018,
    doi:10.1145/3219819.3219919, section 3.2
    """
    quotients = quotient(treated.value, control.value)
    of_treated = quotient(treated.standard_error, control.value, np.inf)
    of_control = quotients * quotient(control.standard_error, control.value, np.inf)
    own = np.square(treated.standard_error) + np.square(control.standard_error)
    squared = np.square(of_treated) + np.square(of_control)
    with np.errstate(invalid="ignore"):  # what is unknown has an infinite error, and ∞ / ∞ stays unknown
        error = np.sqrt(squared * quotient(_squared_error(control, treated), own, 1.0))
    return Estimate(quotients - 1, plain(np.where(np.isnan(error), np.inf, error)), control.units + treated.units)


def _squared_error(control: Estimate, treated: Estimate) -> Values:
    """Return the larger squared standard error of the difference; infinite where that of an arm is."""
    of_control, of_treated = np.square(control.standard_error), np.square(treated.standard_error)
    with np.errstate(invalid="ignore"):  # 0 units times an infinite variance
        of_both = (
            quotient(control.units, treated.units) * of_control + quotient(treated.units, control.units) * of_treated
        )
    return plain(np.fmax(of_control + of_treated, of_both))
