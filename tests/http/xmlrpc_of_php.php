<?php
// PHP's own XML-RPC functions ask, by HTTP/1.0 as Drupal 6 does: php xmlrpc_of_php.php ADDRESS TOKEN

list(, $address, $token) = $argv;

function ask($method, $arguments) {
  global $address, $token;
  $body = xmlrpc_encode_request($method, $arguments);
  $context = stream_context_create(array('http' => array(
    'method' => 'POST',
    'protocol_version' => 1.0,
    'header' => array('Content-Type: text/xml', 'Authorization: Basic ' . base64_encode("drupal:$token")),
    'content' => $body,
  )));
  $answer = file_get_contents("http://$address/xmlrpc", FALSE, $context);
  if (!preg_grep('/^HTTP\/1.[01] 200/', $http_response_header) || !preg_grep('/^Content-Length: ' . strlen($answer) . '$/i', $http_response_header)) {
    exit("not answered whole: " . implode("\n", $http_response_header));
  }
  return xmlrpc_decode($answer, 'utf-8');
}

function check($what, $is) {
  if (!$is) {
    exit("$what\n");
  }
}

$methods = ask('system.listMethods', array());
check('listMethods', in_array('audiospread.findings', $methods));
$found = ask('audiospread.findings', array(0, 500));
check('findings', count($found) == 3 && $found[0]['id'] === 330 && $found[0]['message'] === 'Give it <a> category & "save": Übung 🐫.');
check('nothing', ask('audiospread.findings', array(100, 500)) === array());
check('notify', ask('audiospread.notify', array(array(array('kind' => 'term', 'id' => '2', 'vid' => 0, 'changed' => 0, 'op' => 'save')))) === 1);
$fault = ask('audiospread.findings', array(0));
check('fault', xmlrpc_is_fault($fault) && $fault['faultCode'] === 400);
print "ok\n";
