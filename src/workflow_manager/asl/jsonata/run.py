"""From text to tree, from tree to JSON: the two ways into the library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.asl.jsonata.evaluator import Evaluation
from workflow_manager.asl.jsonata.library import Frame, JException, Jsonata, functions_frame
from workflow_manager.asl.jsonata.limits import TOO_DEEP, TOO_LARGE, EvaluationLimitError
from workflow_manager.asl.jsonata.messages import message_of
from workflow_manager.asl.jsonata.regexes import RegexError, compile_regex
from workflow_manager.asl.jsonata.values import NULL, UNDEFINED, FunctionValueError, Plain
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON

__all__ = ["UNDEFINED", "QueryError", "parse", "run"]


class QueryError(Exception):
    """An expression threw an error; the text is its code and its sentence."""


def parse(source: str) -> Any:
    """
    The tree of the expression *source*, which evaluations share.

    Raises:
        QueryError: it is no JSONata.
    """
    try:
        tree = Jsonata.get_parser().parse(source, compile_regex)
    except JException as error:
        raise QueryError(message_of(error)) from None
    except RegexError as error:
        raise QueryError(str(error)) from None
    except RecursionError:
        raise QueryError("nested too deeply") from None
    except (AttributeError, IndexError, KeyError, NotImplementedError, TypeError, ValueError):
        raise QueryError("S0207: Unexpected end of expression") from None  # what the library's parser trips over
    if tree.errors:
        raise QueryError(message_of(tree.errors[0]))
    return tree


def run(tree: Any, states: JSON, variables: Mapping[str, JSON], scope: Scope) -> Any:
    """
    The value of *tree* as plain JSON, or ``UNDEFINED``.

    Raises:
        QueryError: the expression threw an error.
        EvaluationLimitError: it went over a bound.
    """
    evaluation = Evaluation(scope)
    frame = Frame(functions_frame())
    for name, value in variables.items():
        frame.bindings[name] = NULL if value is None else value
    frame.bindings["states"] = states
    current = Jsonata.CURRENT
    outer = getattr(current, "jsonata", None)
    current.jsonata = evaluation
    try:
        result = evaluation.eval(tree, None, frame)
        return UNDEFINED if result is None else Plain().json(result)
    except JException as error:
        raise QueryError(message_of(error)) from None
    except FunctionValueError:
        return UNDEFINED
    except RegexError as error:
        raise QueryError(str(error)) from None
    except RecursionError:
        raise EvaluationLimitError(TOO_DEEP) from None
    except MemoryError:
        raise EvaluationLimitError(TOO_LARGE) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError):
        # Python's own errors, which the library lets through, would tell the reader nothing
        raise QueryError("The expression cannot be evaluated over these values") from None
    finally:
        if outer is None:
            del current.jsonata
        else:
            current.jsonata = outer
