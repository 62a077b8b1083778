"""RDF as we write it, read by rdflib."""

import json

import pytest
import rdflib
from hypothesis import given, settings
from hypothesis import strategies as st
from rdflib.compare import isomorphic

from dongne.standards.dcat.catalog import frequency_of
from dongne.standards.dcat.rdf import PREFIXES, Address, Resource, Text, json_ld, turtle

# rdflib's parser of JSON-LD and pyshacl use what rdflib itself calls deprecated
pytestmark = pytest.mark.filterwarnings("ignore:(ConjunctiveGraph|Dataset):DeprecationWarning")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
literals = st.one_of(
    st.builds(Text, texts),
    st.builds(Text, texts, st.sampled_from(["ko", "en"])),
    st.builds(lambda text: Text(text, datatype="geo:wktLiteral"), texts),
)
addresses = st.builds(lambda text: Address(f"http://city.test/{text}"), texts)
predicates = st.sampled_from(["dct:title", "dcat:keyword", "dqv:value"])


def resources(inner: st.SearchStrategy[Resource] | None) -> st.SearchStrategy[Resource]:
    values = st.one_of(literals, addresses) if inner is None else st.one_of(literals, addresses, inner)
    says = st.lists(st.tuples(predicates, values), min_size=1, max_size=4).map(tuple)
    return st.builds(
        Resource, st.none(), st.sampled_from([("dct:Location",), ("dcat:Dataset", "dct:Standard"), ()]), says
    )


trees = resources(resources(resources(None)))


@settings(max_examples=40)
@given(trees, addresses)
def test_turtle_and_json_ld_are_read_as_the_same_graph_whatever_the_texts(tree: Resource, address: Address) -> None:
    whole = Resource(address, tree.classes, tree.says)
    written = rdflib.Graph().parse(data=turtle([whole]), format="turtle")
    document = rdflib.Graph().parse(data=json.dumps(json_ld([whole])), format="json-ld")
    assert isomorphic(written, document)


def test_what_is_said_arrives_letter_by_letter() -> None:
    said = 'a "quoted" \\ line\nand\ttab \x07 동네'
    inner = Resource(
        None, ("dct:Location",), (("dct:title", Text(said, "ko")), ("dcat:keyword", Text("1", datatype="xsd:integer")))
    )
    graph = rdflib.Graph().parse(
        data=turtle([Resource(Address("http://city.test/a b"), (), (("dct:spatial", inner),))]), format="turtle"
    )
    subject = rdflib.URIRef("http://city.test/a%20b")
    dct = rdflib.Namespace(PREFIXES["dct"])
    place = graph.value(subject, dct.spatial)
    assert graph.value(place, dct.title) == rdflib.Literal(said, lang="ko")
    assert len(graph) == 4


def test_a_resource_of_which_several_speak_is_described_once() -> None:
    publisher = Resource(Address("http://city.test/p"), ("foaf:Agent",), (("foaf:name", Text("City")),))
    both = [
        Resource(Address(f"http://city.test/{n}"), ("dcat:Dataset",), (("dct:publisher", publisher),)) for n in "ab"
    ]
    assert turtle(both).count('foaf:name "City"') == 1
    assert len(json_ld(both)["@graph"]) == 3


def test_promises_have_the_codes_of_the_eus_list() -> None:
    assert [frequency_of(s) for s in (None, 900, 3600.0, 86_400, 1234)] == [
        "IRREG",
        "15MIN",
        "HOURLY",
        "DAILY",
        "OTHER",
    ]
