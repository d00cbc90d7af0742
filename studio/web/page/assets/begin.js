// The last part: everything above is defined now.

// Whoever is signed out meanwhile is asked to sign in, instead of being told that an event failed.
const fetched = window.fetch;
window.fetch = async (...given) => {
  const answer = await fetched(...given);
  if (answer.status === 401) location.reload();
  return answer;
};

watch('value', () => show(props.value));
show(props.value);
